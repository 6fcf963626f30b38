import { useTranslation } from "react-i18next";
import { count, money } from "@/kernel/numbers";
import { Part, Skeleton } from "@/kernel/ui";
import { CURRENCY, dollars } from "./amounts";
import { type Subject, useBudgets, useUsage } from "./api";
import { BudgetBar } from "./Budgets";

/** What this month took so far, against the budgets there are. */
export function Spending({ subject }: { subject: Subject }) {
  const { t, i18n } = useTranslation();
  const usage = useUsage(subject.id, "model", "month");
  const budgets = useBudgets(subject);
  if (usage.isError && budgets.isError) return null;
  return (
    <Part title={t("usage.thisMonth")} lead={t("usage.thisMonthLead")}>
      <dl className="grid grid-cols-2 gap-x-6 gap-y-4 md:grid-cols-4">
        {usage.data ? (
          <>
            <Figure label={t("usage.cost")} value={money(dollars(usage.data.total.cost), usage.data.currency ?? CURRENCY, i18n.language)} />
            <Figure label={t("usage.tokens")} value={count(usage.data.total.input_tokens + usage.data.total.output_tokens, i18n.language, { short: true })} />
            <Figure label={t("usage.calls")} value={count(usage.data.total.calls, i18n.language, { short: true })} />
          </>
        ) : (
          <Skeleton className="h-14" />
        )}
      </dl>
      {budgets.data?.length === 0 && <p className="text-ink-3">{t("usage.noBudget")}</p>}
      {budgets.data?.map((budget) => (
        <BudgetBar key={budget.id} budget={budget} />
      ))}
    </Part>
  );
}

export function Figure({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <dt className="text-sm text-ink-3">{label}</dt>
      <dd className="text-xl font-semibold">{value}</dd>
    </div>
  );
}
