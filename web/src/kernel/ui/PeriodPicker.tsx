import { useId } from "react";
import { useTranslation } from "react-i18next";
import { dayOf, type Period, type Preset, presetPeriod } from "@/kernel/period";
import { Select } from "./Select";

const PRESETS: readonly Preset[] = ["7", "30", "90", "month"];

interface PeriodPickerProps {
  value: Period;
  onChange: (period: Period) => void;
}

/** A usual stretch of time, or two days of one's own. */
export function PeriodPicker({ value, onChange }: PeriodPickerProps) {
  const { t } = useTranslation();
  const preset = PRESETS.find((one) => {
    const period = presetPeriod(one);
    return period.from === value.from && period.to === value.to;
  });
  const options = [...PRESETS.map((one) => [one, t(`period.${one}`)] as const), ...(preset ? [] : [["own", t("period.own")] as const])];
  return (
    <div className="contents">
      <Select
        bare
        label={t("period.label")}
        value={preset ?? "own"}
        options={options}
        onValue={(chosen) => {
          if (chosen !== "own") onChange(presetPeriod(chosen));
        }}
        className="min-w-36 flex-1 md:flex-none"
      />
      <div className="flex w-full items-center gap-1 md:w-auto">
        <Day label={t("period.from")} value={value.from} max={value.to} onChange={(from) => onChange({ ...value, from })} />
        <span className="text-ink-3" aria-hidden="true">
          –
        </span>
        <Day label={t("period.to")} value={value.to} min={value.from} max={dayOf(new Date())} onChange={(to) => onChange({ ...value, to })} />
      </div>
    </div>
  );
}

function Day({ label, value, min, max, onChange }: { label: string; value: string; min?: string; max: string; onChange: (day: string) => void }) {
  const id = useId();
  return (
    <>
      <label htmlFor={id} className="sr-only">
        {label}
      </label>
      <input
        id={id}
        type="date"
        value={value}
        min={min}
        max={max}
        required
        onChange={(event) => {
          const day = event.target.value;
          if (day !== "" && day <= max && (min === undefined || day >= min)) onChange(day);
        }}
        className="h-10 min-w-0 flex-1 rounded-md border border-line bg-raised px-2 text-ink transition-colors hover:border-line-strong focus-visible:outline-offset-0"
      />
    </>
  );
}
