import { count, money } from "@/kernel/numbers";

/** Money is counted in billionths of this currency. */
export const CURRENCY = "USD";
const NANOS = 1_000_000_000;

export function dollars(nanos: number): number {
  return nanos / NANOS;
}

/** An amount of a budget in words: money or tokens. */
export function amount(value: number, unit: "money" | "tokens", language: string): string {
  return unit === "money" ? money(dollars(value), CURRENCY, language) : count(value, language);
}

/** What somebody typed, as the server counts it; null when it is no amount above zero. */
export function entered(text: string, unit: "money" | "tokens"): number | null {
  const value = Number(text.replaceAll(/[\s,$]/g, ""));
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) return null;
  const counted = Math.round(unit === "money" ? value * NANOS : value);
  return counted > 0 && Number.isSafeInteger(counted) ? counted : null;
}

export function shownForEntry(value: number, unit: "money" | "tokens"): string {
  return String(unit === "money" ? dollars(value) : value);
}
