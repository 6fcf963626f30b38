/** Calendar days of this device, both included. */
export interface Period {
  from: string;
  to: string;
}

export type Preset = "7" | "30" | "90" | "month";

/** A usual stretch up to today, or days of one's own. */
export type Chosen = Preset | Period;

const DAY = 86_400_000;

/** "2026-11-21" of a moment, here. */
export function dayOf(moment: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${String(moment.getFullYear()).padStart(4, "0")}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

export function presetPeriod(preset: Preset, now = new Date()): Period {
  const to = dayOf(now);
  if (preset === "month") return { from: `${to.slice(0, 8)}01`, to };
  return { from: dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - Number(preset) + 1)), to };
}

export function periodOf(chosen: Chosen): Period {
  return typeof chosen === "string" ? presetPeriod(chosen) : chosen;
}

/** How to ask the server for it: usual stretches are left to its clock, which may show another day than this device's. */
export function asked(chosen: Chosen): Partial<Period> & { days?: number } {
  if (typeof chosen !== "string") return chosen;
  return chosen === "month" ? {} : { days: Number(chosen) };
}

/** Every day of the period in order; at most two years of them. */
export function daysOf({ from, to }: Period): string[] {
  const days: string[] = [];
  const end = Date.parse(`${to}T00:00:00Z`);
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= end && days.length < 732; at += DAY) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

/** The moments at which the period begins and (exclusively) ends, for the server. */
export function momentsOf({ from, to }: Period): { from: string; to: string } {
  const at = (day: string, later: number) => {
    const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
    return new Date(year, month - 1, date + later).toISOString();
  };
  return { from: at(from, 0), to: at(to, 1) };
}
