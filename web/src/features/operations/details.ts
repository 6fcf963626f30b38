import { sayName } from "@/kernel/i18n";
import { exact } from "@/kernel/time";

/** Where the catalogue has the words for what a detail says. */
const WORDS: Readonly<Record<string, string>> = { role: "roles", status: "places", subject_kind: "targets", unit: "budgets", window: "budgets" };
const MOMENT = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/;

/** A detail of the audit log as one reads it: words, moments and lists instead of JSON. */
export function sayDetail(key: string, value: unknown, language: string): string {
  if (typeof value === "string" && value !== "") return sayText(key, value, language);
  if (typeof value === "boolean") return sayName("answers", value ? "yes" : "no");
  if (typeof value === "number") return new Intl.NumberFormat(language).format(value);
  if (Array.isArray(value)) return value.map((one) => sayDetail(key, one, language)).join(", ");
  return typeof value === "object" && value !== null ? sayAll(value, language) : "–";
}

function sayText(key: string, text: string, language: string): string {
  if (MOMENT.test(text)) return exact(text, language);
  const words = WORDS[key];
  return words === undefined ? text : sayName(words, text);
}

function sayAll(details: object, language: string): string {
  return Object.entries(details)
    .map(([key, value]) => `${sayName("details", key)}: ${sayDetail(key, value, language)}`)
    .join(", ");
}
