import { daysOf, type Period } from "@/kernel/period";
import { dollars } from "./amounts";
import type { UsageRow } from "./api";

type Counts = Pick<UsageRow, "calls" | "input_tokens" | "output_tokens" | "cost">;

export const MEASURES = ["cost", "tokens", "calls"] as const;
export type Measure = (typeof MEASURES)[number];

const OF: Record<Measure, (row: Counts) => number> = {
  cost: (row) => row.cost,
  tokens: (row) => row.input_tokens + row.output_tokens,
  calls: (row) => row.calls,
};

export function sayMeasure(measure: Measure): { of: (row: Counts) => number } {
  return { of: OF[measure] };
}

export interface Series {
  /** Null: all that have no colour of their own. */
  name: string | null;
  values: number[];
}

const MOST = 5;

/** One stack a day: the five largest models by themselves, the others together; days without use are zero. */
export function stacked(rows: readonly UsageRow[], period: Period, measure: Measure): { days: string[]; series: Series[] } {
  const days = daysOf(period);
  const at = new Map(days.map((day, index) => [day, index]));
  const models = new Map<string, number[]>();
  for (const row of rows) {
    const day = at.get(row.key.slice(0, 10));
    if (day === undefined) continue;
    const name = row.key.slice(11);
    const values = models.get(name) ?? days.map(() => 0);
    const value = OF[measure](row);
    values[day] = (values[day] ?? 0) + (measure === "cost" ? dollars(value) : value);
    models.set(name, values);
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const ranked = [...models].filter(([, values]) => sum(values) > 0).sort((one, other) => sum(other[1]) - sum(one[1]) || one[0].localeCompare(other[0]));
  const series: Series[] = ranked.slice(0, MOST).map(([name, values]) => ({ name, values }));
  const rest = ranked.slice(MOST).map(([, values]) => values);
  if (rest.length > 0) series.push({ name: null, values: days.map((_, day) => sum(rest.map((values) => values[day] ?? 0))) });
  return { days, series };
}
