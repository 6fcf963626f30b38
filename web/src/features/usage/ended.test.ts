import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import { Problem } from "@/kernel/api/problem";
import en from "@/kernel/i18n/en.json";
import ko from "@/kernel/i18n/ko.json";
import { sayRefusal } from "./ended";

const refused = (extra: Record<string, unknown>) => new Problem(429, "budget_exhausted", "", extra);

beforeAll(() => i18next.init({ lng: "en", resources: { en: { translation: en }, ko: { translation: ko } } }));

describe("what is said of a budget that ended", () => {
  it("names whose it is, how often it renews and when, in both languages", async () => {
    const problem = refused({ subject_kind: "scope", window: "month", renews_at: "2026-12-01T00:00:00Z" });
    await i18next.changeLanguage("en");
    expect(sayRefusal(problem)).toMatch(/^Not enough is left of the monthly budget of your organisation\. It renews on .*2026.*\.$/);
    await i18next.changeLanguage("ko");
    expect(sayRefusal(problem)).toMatch(/^속한 조직의 한 달 예산이 모자랍니다\. 2026년.*에 새로 시작됩니다\.$/);
  });

  it("says of one that never renews what to do", async () => {
    await i18next.changeLanguage("en");
    expect(sayRefusal(refused({ subject_kind: "account", window: "total", renews_at: null }))).toContain("ask whoever manages it");
  });

  it("says the general words where the server does not tell, and for everything else", async () => {
    await i18next.changeLanguage("en");
    expect(sayRefusal(refused({ subject_kind: "nobody", window: "day" }))).toBe(en.errors.budget_exhausted);
    expect(sayRefusal(new Problem(409, "session_busy", ""))).toBe(en.errors.session_busy);
    expect(sayRefusal(new Error("away"))).toBe(en.errors.network);
  });
});
