import { useId } from "react";
import { useTranslation } from "react-i18next";
import { type Chosen, dayOf, type Period, type Preset } from "@/kernel/period";
import { Select } from "./Select";

const PRESETS: readonly Preset[] = ["7", "30", "90", "month"];

interface PeriodPickerProps {
  chosen: Chosen;
  /** The days that it comes to. */
  period: Period;
  onChange: (chosen: Chosen) => void;
}

/** A usual stretch of time, or two days of one's own. */
export function PeriodPicker({ chosen, period, onChange }: PeriodPickerProps) {
  const { t } = useTranslation();
  const preset = typeof chosen === "string" ? chosen : null;
  const today = dayOf(new Date());
  const options = [...PRESETS.map((one) => [one, t(`period.${one}`)] as const), ...(preset ? [] : [["own", t("period.own")] as const])];
  return (
    <div className="contents">
      <Select
        bare
        label={t("period.label")}
        value={preset ?? "own"}
        options={options}
        onValue={(wanted) => {
          if (wanted !== "own") onChange(wanted);
        }}
        className="min-w-36 flex-1 md:flex-none"
      />
      <div className="flex w-full items-center gap-1 md:w-auto">
        <Day label={t("period.from")} value={period.from} max={period.to} onChange={(from) => onChange({ ...period, from })} />
        <span className="text-ink-3" aria-hidden="true">
          –
        </span>
        <Day label={t("period.to")} value={period.to} min={period.from} max={period.to > today ? period.to : today} onChange={(to) => onChange({ ...period, to })} />
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
