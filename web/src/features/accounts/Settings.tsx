import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Sections } from "@/kernel/ui";
import { Account } from "./Account";
import { General } from "./General";
import { Keys } from "./Keys";
import { Security } from "./Security";

export const SETTINGS = ["general", "account", "security", "keys", "places", "usage"] as const;
export type SettingsSection = (typeof SETTINGS)[number];

interface SettingsProps {
  section: SettingsSection;
  link: (section: SettingsSection, className: string, isCurrent: boolean, content: ReactNode) => ReactNode;
  /** The sections of the features above, given by whoever composes the screens. */
  model: ReactNode;
  places: ReactNode;
  usage: ReactNode;
}

/** Everything about oneself and how one likes the house to be, in sections with addresses of their own. */
export function Settings({ section, link, model, places, usage }: SettingsProps) {
  const { t } = useTranslation();
  const who = useStore(auth);
  useTitle(t(`mine.section.${section}`), t("settings.title"));
  if (who.state !== "in") return null;
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-column flex-col px-5 pt-8 pb-24 md:pt-14">
        <h1 className="mb-4 text-2xl font-semibold">{t("settings.title")}</h1>
        <Sections label={t("mine.sections")} current={section} sections={SETTINGS.map((one) => [one, t(`mine.section.${one}`)] as const)} link={link} />
        <div>
          {section === "general" && <General model={model} />}
          {section === "account" && <Account user={who.user} />}
          {section === "security" && <Security />}
          {section === "keys" && <Keys />}
          {section === "places" && places}
          {section === "usage" && usage}
        </div>
      </div>
    </div>
  );
}
