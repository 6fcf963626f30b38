import { useTranslation } from "react-i18next";
import { count, money, percent } from "@/kernel/numbers";
import { Badge, DataTable, Failed, Meter, Named, Nothing, Part, SkeletonList, Time } from "@/kernel/ui";
import { amount, CURRENCY, dollars } from "./amounts";
import { type MyBudget, useMyBudgets, useMyUsage } from "./mine";

/** What one spent oneself, and what limits it. */
export function MyUsage() {
  return (
    <div className="flex flex-col gap-10 pt-7">
      <Limits />
      <Spent />
    </div>
  );
}

function Limits() {
  const { t } = useTranslation();
  const { data, isError, error, refetch } = useMyBudgets();
  return (
    <Part title={t("myUsage.limits")} {...(data && data.length > 1 ? { lead: t("myUsage.limitsLead") } : {})}>
      {data === undefined && (isError ? <Failed title={t("myUsage.failed")} error={error} onRetry={() => void refetch()} /> : <SkeletonList rows={1} className="h-14" />)}
      {data?.length === 0 && <p className="text-ink-3">{t("myUsage.noLimits")}</p>}
      {data && data.length > 0 && (
        <ul className="flex flex-col gap-6">
          {data.map((one) => (
            <Limit key={one.id} budget={one} />
          ))}
        </ul>
      )}
    </Part>
  );
}

/** The sums of a budget, or null where they are not told: of one that is shared with others, only how much is gone. */
function sumsOf({ limit, spent, reserved }: MyBudget): { limit: number; spent: number; reserved: number } | null {
  return limit === null || spent === null ? null : { limit, spent, reserved: reserved ?? 0 };
}

function Limit({ budget }: { budget: MyBudget }) {
  const { t, i18n } = useTranslation();
  const { subject_kind, unit, window, used_percent, renews_at } = budget;
  const say = (value: number) => (unit === "money" ? amount(value, unit, i18n.language) : t("myUsage.tokens", { amount: amount(value, unit, i18n.language) }));
  const name = t(`myUsage.window.${window}`);
  const sums = sumsOf(budget);
  const share = (value: number) => (sums && sums.limit > 0 ? value / sums.limit : 0);
  return (
    <li className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{name}</span>
        <Badge>{t(`myUsage.of_kind.${subject_kind}`)}</Badge>
        {used_percent >= 100 && <Badge tone="bad">{t("myUsage.spent")}</Badge>}
        <span className="ml-auto text-ink-2">{sums ? t("myUsage.of", { used: say(sums.spent), limit: say(sums.limit) }) : percent(used_percent / 100, i18n.language)}</span>
      </div>
      <Meter label={name} used={sums ? share(sums.spent) : used_percent / 100} held={share(sums?.reserved ?? 0)} />
      <p className="flex flex-wrap justify-between gap-x-4 text-sm text-ink-3">
        <span>{sums && sums.reserved > 0 ? t("myUsage.held", { amount: say(sums.reserved) }) : null}</span>
        {renews_at === null ? <span>{t("myUsage.endless")}</span> : <Time iso={renews_at} say={(when) => t("myUsage.renews", { when })} />}
      </p>
    </li>
  );
}

function Spent() {
  const { t, i18n } = useTranslation();
  const { data, isError, error, refetch } = useMyUsage("30");
  const number = (value: number) => count(value, i18n.language);
  const cost = (value: number) => money(dollars(value), data?.currency ?? CURRENCY, i18n.language);
  return (
    <Part title={t("myUsage.title")} lead={t("myUsage.lead")}>
      {data === undefined && (isError ? <Failed title={t("myUsage.failed")} error={error} onRetry={() => void refetch()} /> : <SkeletonList rows={3} className="h-12" />)}
      {data?.items.length === 0 && <Nothing>{t("myUsage.empty")}</Nothing>}
      {data && data.items.length > 0 && (
        <DataTable
          label={t("myUsage.title")}
          rows={data.items}
          rowKey={(row) => row.key}
          columns={[
            { key: "model", title: t("myUsage.model"), cell: (row) => <Named name={row.label} /> },
            { key: "calls", title: t("myUsage.calls"), numeric: true, wideOnly: true, cell: (row) => number(row.calls) },
            { key: "input", title: t("myUsage.input"), numeric: true, wideOnly: true, cell: (row) => number(row.input_tokens) },
            { key: "output", title: t("myUsage.output"), numeric: true, cell: (row) => number(row.output_tokens) },
            { key: "cost", title: t("myUsage.cost"), numeric: true, cell: (row) => cost(row.cost) },
          ]}
        />
      )}
    </Part>
  );
}
