import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { percent } from "@/kernel/numbers";
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

/** What a bar shows; who is only bound by a budget is told the share that is used, and no amounts. */
type Shown = Pick<Budget, "unit" | "window" | "renews_at" | "used_percent"> & { limit: number | null; spent: number | null; reserved: number | null };

/** A budget's name, its meter, and in words how much is gone, held and left, and when it renews. */
export function BudgetBar({ budget, children }: { budget: Shown; children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  const { unit, limit, spent, reserved } = budget;
  const say = (value: number) => amount(value, unit, i18n.language);
  const name = t(`budgets.name.${budget.window}`);
  const used = budget.used_percent / 100;
  const held = limit ? (reserved ?? 0) / limit : 0;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{name}</span>
        <span className="text-sm text-ink-3">{t(`budgets.${unit}`)}</span>
        {used >= 1 && <Badge tone="bad">{t("budgets.over")}</Badge>}
        <span className="ml-auto text-ink-2">{limit === null || spent === null ? percent(used, i18n.language) : t("budgets.of", { spent: say(spent), limit: say(limit) })}</span>
        {children}
      </div>
      <Meter label={t("budgets.meter", { name })} used={used - held} held={held} />
      <p className="flex flex-wrap gap-x-4 text-sm text-ink-3">
        <Rest budget={budget} say={say} />
        <Renewal at={budget.renews_at} />
      </p>
    </div>
  );
}

function Rest({ budget: { limit, spent, reserved }, say }: { budget: Shown; say: (value: number) => string }) {
  const { t } = useTranslation();
  if (limit === null || spent === null) return null;
  const held = reserved ?? 0;
  return (
    <>
      <span>
        {t("budgets.left")} {say(Math.max(0, limit - spent - held))}
      </span>
      {held > 0 && (
        <span>
          {t("budgets.reserved")} {say(held)}
        </span>
      )}
    </>
  );
}

function Renewal({ at }: { at: string | null }) {
  const { t, i18n } = useTranslation();
  if (at === null) return <span className="ml-auto">{t("budgets.never")}</span>;
  return (
    <time dateTime={at} title={exact(at, i18n.language)} className="ml-auto">
      {t("budgets.renews", { when: relative(at, i18n.language) })}
    </time>
  );
}
