import { useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { count, money } from "@/kernel/numbers";
import { cx, DataTable, Icon } from "@/kernel/ui";
import { CURRENCY } from "./amounts";
import type { UsageReport } from "./api";
import { type Measure, stacked } from "./series";

const SWATCHES = ["bg-chart-1", "bg-chart-2", "bg-chart-3", "bg-chart-4", "bg-chart-5", "bg-chart-6"] as const;

/** A bar a day, stacked by model, and the same as a table for who would rather read. */
export function DailyChart({ report, measure }: { report: UsageReport; measure: Measure }) {
  const { t, i18n } = useTranslation();
  const language = i18n.language;
  const { currency = CURRENCY, items, first_day: from, last_day: to } = report;
  const { days, series } = useMemo(() => stacked(items, { from, to }, measure), [items, from, to, measure]);
  const say = useMemo(() => (value: number) => (measure === "cost" ? money(value, currency, language) : count(value, language, { short: true })), [measure, currency, language]);
  const names = series.map((one) => one.name ?? t("usage.others"));
  const label = t("usage.chart", { measure: t(`usage.${measure}`), from: dayName(from, language), to: dayName(to, language) });
  const used = days.map((day, index) => ({ day, values: series.map((one) => one.values[index] ?? 0) })).filter(({ values }) => values.some((value) => value > 0));
  return (
    <figure className="flex flex-col gap-3">
      <Canvas label={label} days={days} series={series} names={names} say={say} />
      <figcaption>
        <ul className="flex flex-wrap gap-x-5 gap-y-1 text-sm text-ink-2">
          {names.map((name, index) => (
            <li key={name} className="flex items-center gap-2">
              <span className={cx("size-2.5 rounded-[3px]", SWATCHES[index])} />
              {name}
            </li>
          ))}
        </ul>
      </figcaption>
      <details className="group">
        <summary className="flex w-fit cursor-pointer list-none items-center gap-1 rounded-sm text-sm text-ink-2 hover:text-ink">
          <Icon name="forward" size={16} className="transition-transform group-open:rotate-90" />
          {t("usage.table")}
        </summary>
        <div className="mt-2 overflow-x-auto">
          <DataTable
            label={label}
            rows={used}
            rowKey={(row) => row.day}
            columns={[{ key: "day", title: t("usage.day"), cell: (row) => <span className="whitespace-nowrap">{dayName(row.day, language)}</span> }, ...names.map((name, index) => ({ key: name, title: name, numeric: true, cell: (row: { values: number[] }) => say(row.values[index] ?? 0) }))]}
          />
        </div>
      </details>
    </figure>
  );
}

function dayName(day: string, language: string): string {
  return new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`));
}

interface CanvasProps {
  label: string;
  days: string[];
  series: { values: number[] }[];
  names: string[];
  say: (value: number) => string;
}

/** Draws with ECharts, which is fetched only now; drawn again when the theme or the size changes. */
function Canvas({ label, days, series, names, say }: CanvasProps) {
  const { i18n } = useTranslation();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    let gone = false;
    let stop = () => {};
    void import("./chart").then(({ drawStack }) => {
      if (!gone) stop = drawStack(element, { days: days.map((day) => dayName(day, i18n.language)), series: series.map((one, index) => ({ name: names[index] ?? "", values: one.values })), say });
    });
    return () => {
      gone = true;
      stop();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the names change only with the series and the language
  }, [days, series, say, i18n.language]);
  return <div ref={place} role="img" aria-label={label} className="h-64 w-full" />;
}
