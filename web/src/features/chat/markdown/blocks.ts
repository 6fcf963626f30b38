import { fromMarkdown } from "mdast-util-from-markdown";
import { gfm } from "micromark-extension-gfm";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { math } from "micromark-extension-math";
import { mathFromMarkdown } from "mdast-util-math";

export interface Blocks {
  /** Blocks that no later text can change. */
  settled: readonly string[];
  /** The text of the settled blocks. */
  prefix: string;
  /** The block that is still being written. */
  tail: string;
}

export const NO_BLOCKS: Blocks = { settled: [], prefix: "", tail: "" };

const OPTIONS = { extensions: [gfm(), math()], mdastExtensions: [gfmFromMarkdown(), mathFromMarkdown()] };

/**
 * Divides growing Markdown into top-level blocks, parsing only what came after the last settled one. The blocks joined
 * are the text again; a text that does not continue the former one starts over.
 */
export function divide(before: Blocks, text: string): Blocks {
  const base = text.startsWith(before.prefix) ? before : NO_BLOCKS;
  const rest = text.slice(base.prefix.length);
  const starts = fromMarkdown(rest, OPTIONS).children.map((node) => node.position?.start.offset ?? 0);
  const last = starts.at(-1) ?? 0;
  if (starts.length < 2) return { ...base, tail: rest };
  const edges = [0, ...starts.slice(1)];
  const fresh = edges.slice(0, -1).map((start, index) => rest.slice(start, edges[index + 1]));
  return { settled: [...base.settled, ...fresh], prefix: base.prefix + rest.slice(0, last), tail: rest.slice(last) };
}
