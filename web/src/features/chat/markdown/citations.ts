import type { PhrasingContent, Root } from "mdast";
import { SKIP, visit } from "unist-util-visit";

const NUMBER = /\[(\d{1,3})\](?!\()/g;
export const CITE = "#source-";

/** A remark plugin: `[2]` becomes a link to `#source-2`, which the renderer shows as a button when there is such a source. */
export function remarkCitations() {
  return (tree: Root) => {
    visit(tree, "text", (node, index, parent) => {
      if (!parent || index === undefined || parent.type === "link" || !node.value.includes("[")) return undefined;
      const parts: PhrasingContent[] = [];
      let at = 0;
      for (const found of node.value.matchAll(NUMBER)) {
        if (found.index > at) parts.push({ type: "text", value: node.value.slice(at, found.index) });
        parts.push({ type: "link", url: `${CITE}${found[1] ?? ""}`, children: [{ type: "text", value: found[0] }] });
        at = found.index + found[0].length;
      }
      if (parts.length === 0) return undefined;
      if (at < node.value.length) parts.push({ type: "text", value: node.value.slice(at) });
      parent.children.splice(index, 1, ...parts);
      return [SKIP, index + parts.length];
    });
  };
}
