import { RadioGroup } from "radix-ui";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { theme } from "@/kernel/theme";
import { toast } from "@/kernel/ui";
import { useChoose } from "./api";
import { Section } from "./parts";

/** How the house looks and answers; `model` is the section of the feature above, given by whoever composes the screens. */
export function General({ model }: { model: ReactNode }) {
  const { t, i18n } = useTranslation();
  const choose = useChoose();
  const chosenTheme = useStore(theme);
  const change = (preference: Parameters<typeof choose.mutate>[0]) =>
    choose.mutate(preference, { onError: (error) => toast(sayError(codeOf(error)), { danger: true }) });
  return (
    <>
      <Section title={t("settings.appearance")}>
        <Row label={t("settings.language")}>
          {(id) => (
            <Segments
              labelledBy={id}
              value={i18n.language}
              options={[
                ["ko", "한국어"],
                ["en", "English"],
              ]}
              onChange={(language) => change({ language: language === "ko" ? "ko" : "en" })}
            />
          )}
        </Row>
        <Row label={t("settings.theme")}>
          {(id) => (
            <Segments
              labelledBy={id}
              value={chosenTheme}
              options={[
                ["system", t("settings.system")],
                ["light", t("settings.light")],
                ["dark", t("settings.dark")],
              ]}
              onChange={(value) => change({ theme: value === "light" || value === "dark" ? value : "system" })}
            />
          )}
        </Row>
      </Section>
      <Section title={t("settings.model")} lead={t("settings.modelLead")}>
        {model}
      </Section>
      <Keyboard />
    </>
  );
}

function Row({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <span id={id} className="text-ink-2">
        {label}
      </span>
      {children(id)}
    </div>
  );
}

interface SegmentsProps {
  labelledBy: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Segments({ labelledBy, value, options, onChange }: SegmentsProps) {
  return (
    <RadioGroup.Root aria-labelledby={labelledBy} value={value} onValueChange={onChange} className="flex rounded-md bg-sunk p-1">
      {options.map(([option, label]) => (
        <RadioGroup.Item
          key={option}
          value={option}
          className="min-h-8 rounded-sm px-4 text-ink-2 transition-colors hover:text-ink data-[state=checked]:bg-raised data-[state=checked]:font-medium data-[state=checked]:text-ink data-[state=checked]:shadow-rest"
        >
          {label}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  );
}

function Keyboard() {
  const { t } = useTranslation();
  const apple = navigator.userAgent.includes("Mac");
  const control = apple ? "⌘" : "Ctrl";
  const keys: [string, string][] = [
    [t("settings.keySend"), "Enter"],
    [t("settings.keyNewline"), "Shift Enter"],
    [t("settings.keyStop"), "Esc"],
    [t("settings.keySearch"), `${control} K`],
    [t("settings.keyNew"), `${control} Shift O`],
  ];
  return (
    <Section title={t("settings.keyboard")}>
      <dl className="grid grid-cols-[1fr_auto] items-center gap-y-2">
        {keys.map(([what, combination]) => (
          <div key={what} className="contents">
            <dt className="text-ink-2">{what}</dt>
            <dd className="flex gap-1">
              {combination.split(" ").map((key) => (
                <kbd key={key} className="min-w-7 rounded-sm border border-line bg-raised px-2 text-center font-sans text-sm text-ink-2">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
