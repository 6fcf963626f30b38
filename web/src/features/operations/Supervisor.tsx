import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Empty, Sections } from "@/kernel/ui";
import type { Ways } from "@/features/organisations/public";
import { AuditLog } from "./AuditLog";
import { HealthLine } from "./HealthLine";
import { AllOrganisations } from "./AllOrganisations";
import { People } from "./People";
import { RegistrationInvites } from "./RegistrationInvites";

export const SUPERVISOR_SECTIONS = ["organisations", "people", "budgets", "usage", "invites", "audit"] as const;
export type SupervisorSection = (typeof SUPERVISOR_SECTIONS)[number];

interface SupervisorProps {
  section: SupervisorSection;
  link: (section: SupervisorSection, className: string, isCurrent: boolean, content: ReactNode) => ReactNode;
  /** The ways into the organisations' own consoles. */
  ways: Ways;
  budgets: ReactNode;
  usage: ReactNode;
}

/** The console of those who look after the house. */
export function Supervisor({ section, link, ways, budgets, usage }: SupervisorProps) {
  const { t } = useTranslation();
  const who = useStore(auth);
  useTitle(t(`house.section.${section}`), t("house.title"));
  if (who.state !== "in") return null;
  if (who.user.role !== "supervisor") {
    return (
      <div className="grid h-full place-items-center">
        <Empty title={t("house.closed")} body={t("house.closedBody")} />
      </div>
    );
  }
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-console flex-col gap-6 px-5 pt-8 pb-24 md:pt-14">
        <header className="flex flex-wrap items-end justify-between gap-x-6 gap-y-2">
          <h1 className="text-2xl font-semibold">{t("house.title")}</h1>
          <HealthLine />
        </header>
        <Sections label={t("house.sections")} current={section} sections={SUPERVISOR_SECTIONS.map((one) => [one, t(`house.section.${one}`)] as const)} link={link} />
        {section === "organisations" && <AllOrganisations ways={ways} />}
        {section === "people" && <People meId={who.user.id} />}
        {section === "budgets" && budgets}
        {section === "usage" && usage}
        {section === "invites" && <RegistrationInvites />}
        {section === "audit" && <AuditLog scopeId={null} />}
      </div>
    </div>
  );
}
