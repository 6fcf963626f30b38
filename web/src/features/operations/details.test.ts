import { beforeAll, describe, expect, it } from "vitest";
import { bringWords, startLanguage } from "@/kernel/i18n";
import { sayDetail } from "./details";

beforeAll(async () => {
  localStorage.setItem("madang.language", "ko");
  await startLanguage();
  await bringWords("consoles");
});

describe("a detail of the audit log", () => {
  it("is read in words, and not as JSON", () => {
    expect(sayDetail("role", "student", "ko")).toBe("학생");
    expect(sayDetail("after", { role: "instructor", status: "suspended" }, "ko")).toBe("역할: 선생님, 상태: 정지됨");
    expect(sayDetail("permissions", ["chat:read", "files:write"], "ko")).toBe("chat:read, files:write");
    expect(sayDetail("is_supervisor", true, "ko")).toBe("예");
    expect(sayDetail("limit", 5_000_000, "ko")).toBe("5,000,000");
    expect(sayDetail("expires_at", null, "ko")).toBe("–");
  });

  it("says moments as the language does, and leaves what only looks like one", () => {
    expect(sayDetail("expires_at", "2027-05-12T00:00:00Z", "ko")).toMatch(/^2027년 5월 1[12]일/);
    expect(sayDetail("name", "2027-05-12", "ko")).toBe("2027-05-12");
  });
});
