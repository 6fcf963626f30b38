import { useTranslation } from "react-i18next";
import { cx } from "@/kernel/ui";
import { useHealth } from "./api";

const PARTS = ["database", "valkey", "worker", "models"] as const;

/** One calm line on how the house is; louder only when a part is away. */
export function HealthLine() {
  const { t } = useTranslation();
  const { data, isError } = useHealth();
  if (!data) return <p className="h-6 text-sm text-ink-3">{isError ? t("house.unknown") : ""}</p>;
  const away = PARTS.filter((part) => data.services?.[part] !== "healthy");
  return (
    <p className="flex items-center gap-2 text-sm text-ink-3">
      <span className={cx("size-2 rounded-full", away.length === 0 ? "bg-accent" : "bg-danger")} />
      {away.length === 0 ? <span>{t("house.well")}</span> : <span className="text-danger">{t("house.away", { parts: away.map((part) => t(`house.part.${part}`)).join(", ") })}</span>}
      <span>{t("house.version", { version: data.version ?? "" })}</span>
    </p>
  );
}
