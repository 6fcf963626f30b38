import { useTranslation } from "react-i18next";
import { useChoose } from "@/features/accounts/public";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Failed, Icon, Menu, MenuChoice, MenuChoices, MenuTitle, SkeletonList, cx, toast } from "@/kernel/ui";
import { type Model, useChosenModel, useModels } from "./api";

const AUTO = "";

function useSelect(): (id: string) => void {
  const choose = useChoose();
  return (id) => choose.mutate({ model: id === AUTO ? null : id }, { onError: (error) => toast(sayError(codeOf(error)), { danger: true }) });
}

/** The price and the reach of a model, as far as they are known. */
function useFacts(): (model: Model) => string[] {
  const { t, i18n } = useTranslation();
  const price = usePrice();
  const short = new Intl.NumberFormat(i18n.language, { notation: "compact" });
  return (model) => [price(model), t("models.context", { tokens: short.format(model.context_tokens) })].filter((one) => one !== null);
}

function usePrice(): (model: Model) => string | null {
  const { t, i18n } = useTranslation();
  const money = new Intl.NumberFormat(i18n.language, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", maximumFractionDigits: 2 });
  return ({ input_price: input, output_price: output, built_in: builtIn }) => {
    if (builtIn) return t("models.free");
    if (input === null || output === null) return null;
    return t("models.price", { input: money.format(input / 1e6), output: money.format(output / 1e6) });
  };
}

function Badge({ children, quiet = false }: { children: string; quiet?: boolean }) {
  return <span className={cx("rounded-full px-2 text-xs leading-5", quiet ? "bg-sunk text-ink-3" : "bg-accent-wash text-accent")}>{children}</span>;
}

function Line({ model }: { model: Model }) {
  const { t } = useTranslation();
  const facts = useFacts()(model);
  return (
    <>
      <span className="flex flex-wrap items-center gap-2">
        {model.label}
        {model.built_in && <Badge>{t("models.builtIn")}</Badge>}
        {!model.available && <Badge quiet>{t("models.unavailable")}</Badge>}
      </span>
      <span className="flex flex-wrap gap-x-3 text-sm text-ink-3">
        {facts.map((one) => (
          <span key={one}>{one}</span>
        ))}
      </span>
    </>
  );
}

function usableFirst(models: readonly Model[]): Model[] {
  return [...models].sort((one, other) => Number(other.available) - Number(one.available));
}

/** The small picker in the composer. */
export function ModelPicker() {
  const { t } = useTranslation();
  const models = useModels();
  const { model } = useChosenModel();
  const select = useSelect();
  if (!models.data) return null;
  return (
    <Menu
      wide
      align="start"
      side="top"
      trigger={
        <button type="button" aria-label={`${t("models.label")}: ${model?.label ?? t("models.default")}`} className="flex h-9 min-w-0 items-center gap-1 rounded-md px-2 text-sm text-ink-2 transition-colors hover:bg-sunk hover:text-ink">
          <span className="truncate">{model?.label ?? t("models.default")}</span>
          <Icon name="down" size={16} className="shrink-0" />
        </button>
      }
    >
      <MenuTitle>{t("models.label")}</MenuTitle>
      <MenuChoices value={model?.id ?? AUTO} onChange={select}>
        {usableFirst(models.data.items).map((one) => (
          <MenuChoice key={one.id} value={one.id} disabled={!one.available}>
            <Line model={one} />
          </MenuChoice>
        ))}
      </MenuChoices>
      {model?.built_in === true && <p className="mt-1 border-t border-line px-3 py-2 text-sm text-ink-3">{t("models.small")}</p>}
    </Menu>
  );
}

/** The same choice with room to read, for the settings. */
export function ModelSetting() {
  const { t } = useTranslation();
  const models = useModels();
  const { model } = useChosenModel();
  const select = useSelect();
  if (models.isError) return <Failed title={t("models.failed")} error={models.error} onRetry={() => void models.refetch()} />;
  if (!models.data) return <SkeletonList rows={2} className="h-16" />;
  return (
    <>
      <fieldset className="flex flex-col gap-2">
        <legend className="sr-only">{t("models.label")}</legend>
        {usableFirst(models.data.items).map((one) => (
          <label
            key={one.id}
            className={cx("flex items-start gap-3 rounded-md border p-3 transition-colors", one.id === model?.id ? "border-accent bg-accent-wash/40" : "border-line", one.available ? "cursor-pointer hover:border-line-strong" : "text-ink-3")}
          >
            <input type="radio" name="model" className="mt-1 size-4 accent-accent" checked={one.id === model?.id} disabled={!one.available} onChange={() => select(one.id)} />
            <span className="min-w-0 flex-1">
              <Line model={one} />
            </span>
          </label>
        ))}
      </fieldset>
      {models.data.items.every((one) => one.built_in || !one.available) && <p className="text-sm text-ink-3">{t("models.small")}</p>}
    </>
  );
}
