const PIECES = /(```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]*`)|\\\[([\s\S]*?)\\\]|\\\(([^\n]*?)\\\)|\$\$([\s\S]*?)\$\$|\\\$|\$(?=[^\s$])([^$\n]*[^\s$\\])\$(?!\d)|\$/g;

/**
 * Brings the ways in which models write formulas, `\(…\)`, `\[…\]`, `$…$` and `$$…$$`, to the two that the Markdown
 * parser reads. A dollar that is money ($5 and $10) stays a dollar, and code stays as it is.
 */
export function prepareMaths(text: string): string {
  if (!text.includes("$") && !text.includes("\\")) return text;
  return text.replace(PIECES, (whole: string, code?: string, bracket?: string, paren?: string, display?: string, inline?: string) => {
    if (code !== undefined || whole === "\\$") return whole;
    const block = bracket ?? display;
    if (block !== undefined) return `\n\n$$\n${block.trim()}\n$$\n\n`;
    const short = paren ?? inline;
    return short === undefined ? "\\$" : `$${short.trim()}$`;
  });
}
