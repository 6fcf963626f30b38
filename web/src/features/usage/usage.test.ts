import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csv } from "@/kernel/download";
import { money } from "@/kernel/numbers";
import { asked, daysOf, presetPeriod } from "@/kernel/period";
import { amount, entered, shownForEntry } from "./amounts";
import type { UsageRow } from "./api";
import { stacked } from "./series";

const PERIOD = { from: "2026-11-01", to: "2026-11-07" };
const row = fc.record({
  day: fc.integer({ min: 1, max: 7 }),
  model: fc.constantFrom("a", "b b", "c/d", "e", "f", "g", "h"),
  cost: fc.integer({ min: 0, max: 10 ** 12 }),
  tokens: fc.integer({ min: 0, max: 10 ** 6 }),
});

function rows(wanted: readonly { day: number; model: string; cost: number; tokens: number }[]): UsageRow[] {
  return wanted.map(({ day, model, cost, tokens }) => ({ key: `2026-11-0${day} ${model}`, label: "", calls: 1, input_tokens: tokens, cached_tokens: 0, output_tokens: 0, cost }));
}

describe("usage by day and model", () => {
  it("loses nothing when it is stacked, whatever the order and however many the models", () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (wanted) => {
        const { days, series } = stacked(rows(wanted), PERIOD, "tokens");
        expect(days).toHaveLength(7);
        expect(series.length).toBeLessThanOrEqual(6);
        const whole = series.flatMap((one) => one.values).reduce((sum, value) => sum + value, 0);
        expect(whole).toBe(wanted.reduce((sum, one) => sum + one.tokens, 0));
      }),
    );
  });

  it("shows the others together and last, and no model without use", () => {
    const { series } = stacked(rows(["a", "b", "c", "d", "e", "f", "g"].map((model, at) => ({ day: 1, model, cost: 0, tokens: at }))), PERIOD, "tokens");
    expect(series.map((one) => one.name)).toEqual(["g", "f", "e", "d", "c", null]);
  });
});

describe("amounts", () => {
  it("come back as they were typed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_000_000_000_000 }), fc.constantFrom("tokens" as const, "money" as const), (value, unit) => {
        expect(entered(shownForEntry(value, unit), unit)).toBe(value);
      }),
    );
    expect(entered("12.50", "money")).toBe(12_500_000_000);
    expect(entered("1,000", "tokens")).toBe(1000);
  });

  it("refuse what is no amount above zero", () => {
    for (const text of ["", " ", "0", "-1", "many", "Infinity", "1e99", "0.2"]) expect(entered(text, "tokens"), text).toBeNull();
  });

  it("are said in the language, small ones with more digits", () => {
    expect(amount(12_500_000_000, "money", "en")).toBe("$12.50");
    expect(money(0.00042, "USD", "en")).toBe("$0.00042");
    expect(amount(1_234_567, "tokens", "ko")).toBe("1,234,567");
  });
});

describe("periods", () => {
  it("leave it to the server what day it is", () => {
    expect(asked("30")).toEqual({ days: 30 });
    expect(asked("month")).toEqual({});
    expect(asked({ from: "2026-03-01", to: "2026-03-02" })).toEqual({ from: "2026-03-01", to: "2026-03-02" });
  });
  it("have as many days as they say, the last one today", () => {
    const now = new Date(2026, 2, 1, 12);
    expect(daysOf(presetPeriod("7", now))).toHaveLength(7);
    expect(daysOf(presetPeriod("90", now)).at(-1)).toBe("2026-03-01");
    expect(presetPeriod("month", now)).toEqual({ from: "2026-03-01", to: "2026-03-01" });
  });
});

describe("files for spreadsheets", () => {
  it("quote what needs it and let no cell become a formula", async () => {
    const text = await csv([['a"b', "c,d"], ["=1+1", -2]]).text();
    expect(text.replace("\uFEFF", "")).toBe('"a""b","c,d"\r\n\'=1+1,-2\r\n');
    const wide = await csv([["  =1+1", "＝1+1", "a = b"]]).text();
    expect(wide.replace("\uFEFF", "")).toBe("'  =1+1,'＝1+1,a = b\r\n");
  });
});
