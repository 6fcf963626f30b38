import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { locate } from "./highlight";

const word = fc.stringMatching(/^[a-z가-힣]{2,8}$/);

describe("locating a quoted passage", () => {
  it("finds it whatever its white space has become", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 3, maxLength: 30 }), fc.nat(), fc.nat(), fc.constantFrom(" ", "\n", "  \n", ""), (words, a, b, space) => {
        const [from, to] = [a % words.length, b % words.length].sort((x, y) => x - y) as [number, number];
        const text = words.join(" ");
        const found = locate(text, words.slice(from, to + 1).join(space));
        expect(found).not.toBeNull();
        const [start, end] = found ?? [0, 0];
        expect(text.slice(start, end).replace(/\s/g, "")).toBe(words.slice(from, to + 1).join("").slice(0, end - start > 60 ? undefined : text.slice(start, end).replace(/\s/g, "").length));
      }),
    );
  });

  it("says when it is not there", () => {
    expect(locate("휴가는 15일입니다.", "병가는 60일까지 쓸 수 있습니다")).toBeNull();
    expect(locate("아무 글", "   ")).toBeNull();
  });
});
