import i18next from "i18next";
import { codeOf, Problem } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { exact } from "@/kernel/time";

const WHOSE = new Set(["account", "scope", "platform"] as const);
const WINDOWS = new Set(["day", "week", "month", "total"] as const);

function one<T extends string>(of: ReadonlySet<T>, value: unknown): T | null {
  return (of as ReadonlySet<unknown>).has(value) ? (value as T) : null;
}

/** What to say about a refused question: of a budget that ended, which one it is and when it renews. */
export function sayRefusal(error: unknown): string {
  const code = codeOf(error);
  if (!(error instanceof Problem) || code !== "budget_exhausted") return sayError(code);
  const whose = one(WHOSE, error.extra["subject_kind"]);
  const window = one(WINDOWS, error.extra["window"]);
  if (whose === null || window === null) return sayError(code);
  const said = i18next.t("ended.budget", { whose: i18next.t(`ended.whose.${whose}`), often: i18next.t(`ended.often.${window}`) });
  const at = error.extra["renews_at"];
  const next = typeof at === "string" ? i18next.t("ended.renews", { when: exact(at, i18next.language) }) : i18next.t("ended.endless");
  return `${said} ${next}`;
}
