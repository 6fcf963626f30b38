import { useState } from "react";
import { useTranslation } from "react-i18next";
import { csv, saveFile } from "@/kernel/download";
import { count, money, percent } from "@/kernel/numbers";
import { type Chosen, type Period, periodOf } from "@/kernel/period";
import { Button, DataTable, Failed, Named, Nothing, Part, PeriodPicker, Sections, Select, SkeletonList } from "@/kernel/ui";
import { CURRENCY, dollars } from "./amounts";
import { type GroupBy, type UsageReport, type UsageRow, useUsage } from "./api";
import { DailyChart } from "./DailyChart";
import { Figure } from "./Spending";
import { MEASURES, type Measure, sayMeasure } from "./series";

const GROUPS = ["model", "agent", "account", "scope"] as const satisfies readonly GroupBy[];

/** Usage of a scope and what lies beneath, or of the whole house. */
export function Usage({ scopeId }: { scopeId: string | null }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<Chosen>("30");
  const daily = useUsage(scopeId, "day_model", chosen);
  return (
    <div className="flex flex-col gap-10">
      <Part
        title={t("usage.title")}
        lead={t("usage.lead")}
        action={
          <div className="flex flex-wrap gap-2">
            <PeriodPicker chosen={chosen} period={periodIn(daily.data, chosen)} onChange={setChosen} />
          </div>
        }
      >
        {daily.isError && !daily.data && <Failed title={t("usage.failed")} error={daily.error} onRetry={() => void daily.refetch()} />}
        {daily.isPending && <SkeletonList rows={1} className="h-72" />}
        {daily.data && <Totals report={daily.data} />}
        {daily.data && daily.data.items.length === 0 && <Nothing>{t("usage.empty")}</Nothing>}
        {daily.data && daily.data.items.length > 0 && <PerDay report={daily.data} />}
      </Part>
      <Grouped scopeId={scopeId} chosen={chosen} />
    </div>
  );
}

/** Usual stretches end by the server's clock, which the calls were booked by; until it has told, by this device's. */
function periodIn(report: UsageReport | undefined, chosen: Chosen): Period {
  return typeof chosen === "string" && report ? { from: report.first_day, to: report.last_day } : periodOf(chosen);
}

function PerDay({ report }: { report: UsageReport }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<Measure | null>(null);
  // Where every model is free, an empty chart of costs would say that nothing happened.
  const measure = chosen ?? (report.total.cost === 0 ? "tokens" : "cost");
  return (
    <div className="flex flex-col gap-3">
      <div className="flex items-center justify-between gap-3">
        <h3 className="font-semibold">{t("usage.perDay")}</h3>
        <Select bare label={t("usage.measure")} value={measure} options={MEASURES.map((one) => [one, t(`usage.${one}`)] as const)} onValue={setChosen} className="w-32" />
      </div>
      <DailyChart report={report} measure={measure} />
    </div>
  );
}

function Totals({ report }: { report: UsageReport }) {
  const { t, i18n } = useTranslation();
  const { total, currency = CURRENCY } = report;
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-4 md:grid-cols-4">
      <Figure label={t("usage.cost")} value={money(dollars(total.cost), currency, i18n.language)} />
      <Figure label={t("usage.calls")} value={count(total.calls, i18n.language, { short: true })} />
      <Figure label={t("usage.input")} value={count(total.input_tokens, i18n.language, { short: true })} />
      <Figure label={t("usage.output")} value={count(total.output_tokens, i18n.language, { short: true })} />
    </dl>
  );
}

function Grouped({ scopeId, chosen }: { scopeId: string | null; chosen: Chosen }) {
  const { t } = useTranslation();
  const [by, setBy] = useState<(typeof GROUPS)[number]>("model");
  const query = useUsage(scopeId, by, chosen);
  return (
    <section className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 className="text-lg font-semibold">{t("usage.by")}</h2>
        {query.data && query.data.items.length > 0 && <ExportButton report={query.data} by={by} inScope={scopeId !== null} />}
      </div>
      <Sections
        label={t("usage.by")}
        current={by}
        sections={GROUPS.map((one) => [one, t(`usage.${one}`)] as const)}
        link={(one, className, current, name) => (
          <button type="button" aria-pressed={current} onClick={() => setBy(one)} className={className}>
            {name}
          </button>
        )}
      />
      {query.isError && !query.data && <Failed title={t("usage.failed")} error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <SkeletonList rows={3} className="h-12" />}
      {query.data && query.data.items.length === 0 && <Nothing>{t("usage.empty")}</Nothing>}
      {query.data && query.data.items.length > 0 && <GroupTable report={query.data} by={by} inScope={scopeId !== null} />}
    </section>
  );
}

const HOUSE = "00000000-0000-0000-0000-000000000000";

/** What a group is called, those without a name of their own too. */
function useNames(by: (typeof GROUPS)[number], inScope: boolean): (row: UsageRow) => string {
  const { t } = useTranslation();
  const nameless = by === "scope" ? t(inScope ? "usage.direct" : "usage.outside") : t("usage.none");
  return ({ key, label }) => (key === HOUSE ? t("usage.house") : label || key || nameless);
}

function GroupTable({ report, by, inScope }: { report: UsageReport; by: (typeof GROUPS)[number]; inScope: boolean }) {
  const { t, i18n } = useTranslation();
  const nameOf = useNames(by, inScope);
  const tokens = (row: UsageRow) => row.input_tokens + row.output_tokens;
  const whole = Math.max(1, sayMeasure("cost").of(report.total) || tokens({ ...report.total, key: "", label: "" }));
  const priced = report.total.cost > 0;
  return (
    <DataTable
      label={t(`usage.${by}`)}
      rows={report.items}
      rowKey={(row) => row.key}
      columns={[
        { key: "name", title: t(`usage.${by}`), cell: (row) => <Named name={nameOf(row)} narrow={<span>{t("usage.tokens")} {count(tokens(row), i18n.language, { short: true })}</span>} /> },
        { key: "calls", title: t("usage.calls"), numeric: true, wideOnly: true, cell: (row) => count(row.calls, i18n.language) },
        { key: "input", title: t("usage.input"), numeric: true, wideOnly: true, cell: (row) => count(row.input_tokens, i18n.language) },
        { key: "output", title: t("usage.output"), numeric: true, wideOnly: true, cell: (row) => count(row.output_tokens, i18n.language) },
        { key: "cost", title: t("usage.cost"), numeric: true, cell: (row) => money(dollars(row.cost), report.currency ?? CURRENCY, i18n.language) },
        { key: "share", title: t("usage.share"), numeric: true, wideOnly: true, cell: (row) => percent((priced ? row.cost : tokens(row)) / whole, i18n.language) },
      ]}
    />
  );
}

function ExportButton({ report, by, inScope }: { report: UsageReport; by: (typeof GROUPS)[number]; inScope: boolean }) {
  const { t } = useTranslation();
  const nameOf = useNames(by, inScope);
  const save = () => {
    const head = [t(`usage.${by}`), t("usage.calls"), t("usage.input"), t("usage.output"), `${t("usage.cost")} (${report.currency ?? CURRENCY})`];
    const rows = report.items.map((row) => [nameOf(row), row.calls, row.input_tokens, row.output_tokens, dollars(row.cost)]);
    saveFile(`usage-${by}-${report.first_day}-${report.last_day}.csv`, csv([head, ...rows]));
  };
  return (
    <Button icon="arrowDown" onClick={save}>
      {t("usage.export")}
    </Button>
  );
}
