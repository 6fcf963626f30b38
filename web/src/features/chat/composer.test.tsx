import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { draftKey } from "@/kernel/drafts";
import { queries } from "@/kernel/query";
import { MESSAGE_LIMIT } from "./api";
import { Composer } from "./Composer";

function compose(answering = false) {
  const onSend = vi.fn();
  const onStop = vi.fn();
  render(
    <QueryClientProvider client={queries}>
      <Composer name="test" answering={answering} onSend={onSend} onStop={onStop} onUpload={vi.fn()} />
    </QueryClientProvider>,
  );
  const area = screen.getAllByRole("textbox").at(-1) as HTMLTextAreaElement;
  return { onSend, onStop, area };
}

describe("the composer", () => {
  beforeEach(() => {
    document.body.innerHTML = "";
    sessionStorage.clear();
    vi.stubGlobal("fetch", () => new Promise(() => undefined));
  });

  it("sends on Enter and clears", () => {
    const { area, onSend } = compose();
    fireEvent.change(area, { target: { value: " 안녕하세요 " } });
    fireEvent.keyDown(area, { key: "Enter" });
    expect(onSend).toHaveBeenCalledWith("안녕하세요", []);
    expect(area.value).toBe("");
  });

  it("never sends while a syllable is being composed, nor on Shift+Enter", () => {
    const { area, onSend } = compose();
    fireEvent.change(area, { target: { value: "안녕하세ㅇ" } });
    fireEvent.keyDown(area, { key: "Enter", isComposing: true });
    fireEvent.keyDown(area, { key: "Enter", keyCode: 229 });
    fireEvent.keyDown(area, { key: "Enter", shiftKey: true });
    expect(onSend).not.toHaveBeenCalled();
  });

  it("keeps empty and over-long questions here", () => {
    const { area, onSend } = compose();
    for (const value of ["   ", "가".repeat(MESSAGE_LIMIT + 1)]) {
      fireEvent.change(area, { target: { value } });
      fireEvent.keyDown(area, { key: "Enter" });
    }
    expect(onSend).not.toHaveBeenCalled();
    expect(screen.getByRole("alert")).toBeTruthy();
  });

  it("stops on Escape while an answer is written, and keeps the draft", () => {
    const { area, onStop, onSend } = compose(true);
    fireEvent.change(area, { target: { value: "다음 질문" } });
    fireEvent.keyDown(area, { key: "Enter" });
    fireEvent.keyDown(area, { key: "Escape" });
    expect(onSend).not.toHaveBeenCalled();
    expect(onStop).toHaveBeenCalledOnce();
    expect(sessionStorage.getItem(draftKey("test"))).toBe("다음 질문");
  });
});
