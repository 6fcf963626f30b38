const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 minutes ago" in the given language. */
export function relative(iso: string, language: string, now = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

export function exact(iso: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(new Date(iso));
}

export type Age = "today" | "yesterday" | "week" | "older";

/** The shelf of a date in a list, by calendar days of this device. */
export function ageOf(iso: string, now = new Date()): Age {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const at = Date.parse(iso);
  if (at >= midnight) return "today";
  if (at >= midnight - 86_400_000) return "yesterday";
  return at >= midnight - 6 * 86_400_000 ? "week" : "older";
}

/** "1.2 MB" in the given language; never smaller than a tenth of a kilobyte. */
export function fileSize(bytes: number, language: string): string {
  const units = ["kilobyte", "megabyte", "gigabyte"] as const;
  const power = Math.min(2, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3) - 1));
  const format = new Intl.NumberFormat(language, { style: "unit", unit: units[power] ?? "gigabyte", unitDisplay: "short", maximumFractionDigits: 1 });
  return format.format(Math.max(0.1, bytes / 1000 ** (power + 1)));
}
