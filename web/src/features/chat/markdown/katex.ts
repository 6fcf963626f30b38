import "katex/dist/katex.min.css";
import katex from "katex";

/**
 * Draws a formula into an element. KaTeX builds it node by node here: its HTML string carries style attributes, which
 * our Content-Security-Policy refuses. A formula that is not (yet) valid shows as what it is.
 */
export default function draw(tex: string, into: HTMLElement, displayMode: boolean): void {
  try {
    katex.render(tex, into, { displayMode, throwOnError: false, errorColor: "currentColor", maxSize: 40, maxExpand: 500 });
  } catch {
    into.textContent = tex;
  }
}
