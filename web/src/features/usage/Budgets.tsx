import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { exact, relative } from "@/kernel/time";
import { Badge, Button, Confirm, Failed, IconButton, Menu, MenuItem, Meter, Nothing, Part, SkeletonList, toast } from "@/kernel/ui";
import { amount } from "./amounts";
import { type Budget, type Subject, useBudgets, useRemoveBudget } from "./api";
import { BudgetForm } from "./BudgetForm";

interface BudgetsProps {
  subject: Subject;
  mayManage: boolean;
}

export function Budgets({ subject, mayManage }: BudgetsProps) {
  const { t } = useTranslation();
  const query = useBudgets(subject);
  const [form, setForm] = useState<Budget | "new" | null>(null);
  const [doomed, setDoomed] = useState<Budget | null>(null);
  const remove = useRemoveBudget();
  const lead = subject.kind === "platform" ? t("budgets.platformLead") : mayManage ? t("budgets.lead") : t("budgets.reading");
  return (
    <Part
      title={t("budgets.title")}
      lead={lead}
      action={
        mayManage && (
          <Button kind="primary" icon="plus" onClick={() => setForm("new")}>
            {t("budgets.new")}
          </Button>
        )
      }
    >
      <BudgetList query={query} actions={(budget) => mayManage && <BudgetMenu budget={budget} onChange={() => setForm(budget)} onRemove={() => setDoomed(budget)} />} />
      {form !== null && <BudgetForm subject={subject} budget={form === "new" ? null : form} onClose={() => setForm(null)} />}
      {doomed && (
        <Confirm
          open
          title={t("budgets.removeTitle", { name: t(`budgets.name.${doomed.window}`) })}
          body={t("budgets.removeBody")}
          action={t("common.delete")}
          busy={remove.isPending}
          onConfirm={() => remove.mutate(doomed.id, { onSuccess: () => toast(t("budgets.removed")), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </Part>
  );
}

function BudgetList({ query, actions }: { query: ReturnType<typeof useBudgets>; actions: (budget: Budget) => ReactNode }) {
  const { t } = useTranslation();
  if (query.isError && !query.data) return <Failed title={t("budgets.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <SkeletonList rows={2} className="h-24" />;
  if (query.data.length === 0) return <Nothing>{t("budgets.empty")}</Nothing>;
  return (
    <ul className="flex flex-col">
      {query.data.map((budget) => (
        <li key={budget.id} className="border-b border-line py-5 first:pt-1">
          <BudgetBar budget={budget}>{actions(budget)}</BudgetBar>
        </li>
      ))}
    </ul>
  );
}

function BudgetMenu({ budget, onChange, onRemove }: { budget: Budget; onChange: () => void; onRemove: () => void }) {
  const { t } = useTranslation();
  return (
    <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: t(`budgets.name.${budget.window}`) })} />}>
      <MenuItem icon="pencil" onSelect={onChange}>
        {t("budgets.change")}
      </MenuItem>
      <MenuItem icon="trash" danger onSelect={onRemove}>
        {t("common.delete")}
      </MenuItem>
    </Menu>
  );
}

/** A budget's name, its meter, and in words how much is gone, held and left, and when it renews. */
export function BudgetBar({ budget, children }: { budget: Budget; children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  const say = (value: number) => amount(value, budget.unit, i18n.language);
  const name = t(`budgets.name.${budget.window}`);
  const { limit, spent, reserved } = { limit: budget.limit ?? 0, spent: budget.spent ?? 0, reserved: budget.reserved ?? 0 };
  const left = Math.max(0, limit - spent - reserved);
  const share = (value: number) => (limit === 0 ? 1 : value / limit);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{name}</span>
        {left === 0 && <Badge tone="bad">{t("budgets.over")}</Badge>}
        <span className="ml-auto text-ink-2">{t("budgets.of", { spent: say(spent), limit: say(limit) })}</span>
        {children}
      </div>
      <Meter label={t("budgets.meter", { name })} used={share(spent)} held={share(reserved)} />
      <p className="flex flex-wrap gap-x-4 text-sm text-ink-3">
        <span>
          {t("budgets.left")} {say(left)}
        </span>
        {reserved > 0 && (
          <span>
            {t("budgets.reserved")} {say(reserved)}
          </span>
        )}
        <span className="ml-auto">{budget.renews_at === null ? t("budgets.never") : <time dateTime={budget.renews_at} title={exact(budget.renews_at, i18n.language)}>{t("budgets.renews", { when: relative(budget.renews_at, i18n.language) })}</time>}</span>
      </p>
    </div>
  );
}
