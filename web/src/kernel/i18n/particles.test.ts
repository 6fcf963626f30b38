import { describe, expect, it } from "vitest";
import { withParticles } from "./particles";

describe("the particle after a name", () => {
  it("fits how the name ends", () => {
    expect(withParticles("“강남 지점”을(를) 삭제할까요?")).toBe("“강남 지점”을 삭제할까요?");
    expect(withParticles("“바다”을(를) 삭제할까요?")).toBe("“바다”를 삭제할까요?");
    expect(withParticles("“한빛 학원”(으)로 초대합니다.")).toBe("“한빛 학원”으로 초대합니다.");
    expect(withParticles("“서울”(으)로 초대합니다.")).toBe("“서울”로 초대합니다.");
    expect(withParticles("“규정”은(는) 이미 있는 문서입니다.")).toBe("“규정”은 이미 있는 문서입니다.");
  });

  it("fits digits as they are read", () => {
    expect(withParticles("“수학 1”을(를) 만들었습니다.")).toBe("“수학 1”을 만들었습니다.");
    expect(withParticles("“수학 2”을(를) 만들었습니다.")).toBe("“수학 2”를 만들었습니다.");
    expect(withParticles("“계획 7”(으)로")).toBe("“계획 7”로");
    expect(withParticles("“계획 6”(으)로")).toBe("“계획 6”으로");
  });

  it("stays open where nobody can know how the name is read", () => {
    expect(withParticles("“Busan branch”을(를) 삭제할까요?")).toBe("“Busan branch”을(를) 삭제할까요?");
    expect(withParticles("sky@example.com(으)로 메일을 보냈습니다.")).toBe("sky@example.com(으)로 메일을 보냈습니다.");
  });
});
