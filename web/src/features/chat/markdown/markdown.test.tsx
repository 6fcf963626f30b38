import { render, screen, waitFor } from "@testing-library/react";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type Blocks, divide, NO_BLOCKS } from "./blocks";
import { Markdown } from "./Markdown";
import { prepareMaths } from "./maths";

const PIECES = ["문단입니다.", "\n\n", "\n", "- 하나\n- 둘\n", "1. 가\n\n2. 나\n", "```py\nx = 1\n\ny = 2\n", "```\n", "| a | b |\n|---|---|\n| 1 | 2 |\n", "$$\nx^2\n\n", "$$\n", "> 인용\n", "# 제목\n", "  ", "**굵게**"];

function whole(blocks: Blocks): string {
  return [...blocks.settled, blocks.tail].join("");
}

describe("dividing growing Markdown", () => {
  it("loses and repeats nothing, and gives what dividing at once gives", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }), (pieces) => {
        let blocks = NO_BLOCKS;
        let text = "";
        for (const piece of pieces) {
          text += piece;
          const before = blocks.settled;
          blocks = divide(blocks, text);
          expect(whole(blocks)).toBe(text);
          expect(blocks.settled.slice(0, before.length)).toEqual(before);
        }
      }),
    );
  });

  it("starts over when the text does", () => {
    const blocks = divide(divide(NO_BLOCKS, "하나\n\n둘\n\n셋"), "다시\n\n처음");
    expect(whole(blocks)).toBe("다시\n\n처음");
  });
});

describe("formulas", () => {
  it.each([
    ["그 식은 \\(x^2\\) 입니다", "그 식은 $x^2$ 입니다"],
    ["$5 and $10", "\\$5 and \\$10"],
    ["값은 $x$ 이고 $y$", "값은 $x$ 이고 $y$"],
    ["`$a$` stays", "`$a$` stays"],
    ["```\n$a$ \\(b\\)\n```", "```\n$a$ \\(b\\)\n```"],
    ["\\[a+b\\]", "\n\n$$\na+b\n$$\n\n"],
    ["costs \\$5", "costs \\$5"],
  ])("%j becomes %j", (text, prepared) => {
    expect(prepareMaths(text)).toBe(prepared);
  });
});

describe("an answer", () => {
  const citation = { number: 1, document_id: "d", title: "규정", page: 2, snippet: "15일" };

  it("makes known citations buttons and leaves others text", () => {
    const open = vi.fn();
    render(<Markdown text="15일입니다 [1]. 아닙니다 [7]." streaming={false} citations={[citation]} onOpen={open} />);
    screen.getByRole("button").click();
    expect(open).toHaveBeenCalledWith(citation);
    expect(screen.getByText(/\[7\]/)).toBeTruthy();
  });

  it("lets nothing of the model's become markup, script or a picture from elsewhere", () => {
    const { container } = render(<Markdown text={'<img src=x onerror=alert(1)> <script>alert(1)</script> [x](javascript:alert(1)) ![p](https://spy.example/p.png)'} streaming={false} citations={[]} onOpen={vi.fn()} />);
    expect(container.querySelector("img, script")).toBeNull();
    for (const link of container.querySelectorAll("a")) expect(link.getAttribute("href") ?? "").not.toContain("javascript:");
  });

  it("draws formulas once KaTeX has come, and shows broken ones as they are", async () => {
    const { container } = render(<Markdown text={"$$\n\\frac{1}{2}\n$$"} streaming={false} citations={[]} onOpen={vi.fn()} />);
    await waitFor(() => expect(container.querySelector(".katex-display")).not.toBeNull());
    const broken = render(<Markdown text={"$\\frac{1}{$"} streaming={false} citations={[]} onOpen={vi.fn()} />);
    expect(broken.container.textContent).toContain("\\frac{1}{");
  });
});
