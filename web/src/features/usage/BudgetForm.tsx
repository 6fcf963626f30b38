import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Field, FormDialog, Select, toast } from "@/kernel/ui";
import { CURRENCY, entered, shownForEntry } from "./amounts";
import { type Budget, type Subject, useChangeBudget, useMakeBudget } from "./api";

interface BudgetFormProps {
  subject: Subject;
  /** The one to change; null makes a new one. */
  budget: Budget | null;
  onClose: () => void;
}

const WINDOWS = ["day", "week", "month", "total"] as const;

export function BudgetForm({ subject, budget, onClose }: BudgetFormProps) {
  return budget === null ? <Make subject={subject} onClose={onClose} /> : <Change budget={budget} onClose={onClose} />;
}

function Make({ subject, onClose }: { subject: Subject; onClose: () => void }) {
  const { t } = useTranslation();
  const make = useMakeBudget(subject);
  const [unit, setUnit] = useState<Budget["unit"]>("money");
  const [window, setWindow] = useState<Budget["window"]>("month");
  const limit = useLimit(unit, "");
  const send = () => limit.given((value) => make.mutate({ unit, window, limit: value }, { onSuccess: saved(t("budgets.saved"), onClose) }));
  return (
    <FormDialog open title={t("budgets.new")} submit={t("budgets.make")} busy={make.isPending} error={make.error} onSubmit={send} onClose={onClose}>
      <div className="grid grid-cols-2 gap-3">
        <Select
          label={t("budgets.unit")}
          value={unit}
          options={[
            ["money", t("budgets.money")],
            ["tokens", t("budgets.tokens")],
          ]}
          onValue={setUnit}
        />
        <Select label={t("budgets.window")} value={window} options={WINDOWS.map((one) => [one, t(`budgets.${one}`)] as const)} onValue={setWindow} />
      </div>
      {limit.field}
    </FormDialog>
  );
}

function Change({ budget, onClose }: { budget: Budget; onClose: () => void }) {
  const { t } = useTranslation();
  const change = useChangeBudget();
  const limit = useLimit(budget.unit, shownForEntry(budget.limit, budget.unit));
  const send = () => limit.given((value) => change.mutate({ id: budget.id, limit: value }, { onSuccess: saved(t("budgets.saved"), onClose) }));
  return (
    <FormDialog open title={t("budgets.change")} submit={t("common.save")} busy={change.isPending} error={change.error} onSubmit={send} onClose={onClose}>
      {limit.field}
    </FormDialog>
  );
}

function saved(words: string, onClose: () => void) {
  return () => {
    toast(words);
    onClose();
  };
}

/** The field for a limit, and what hands its amount on when it is one. */
function useLimit(unit: Budget["unit"], initial: string) {
  const { t } = useTranslation();
  const [text, setText] = useState(initial);
  const [bad, setBad] = useState(false);
  const given = (onAmount: (value: number) => void) => {
    const value = entered(text, unit);
    setBad(value === null);
    if (value !== null) onAmount(value);
  };
  const label = unit === "money" ? t("budgets.limitMoney", { currency: CURRENCY }) : t("budgets.limitTokens");
  const field = <Field label={label} name="limit" inputMode="decimal" autoComplete="off" error={bad ? t("budgets.limitBad") : undefined} value={text} onChange={(event) => setText(event.target.value)} />;
  return { field, given };
}
