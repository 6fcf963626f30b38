/** Where `snippet` stands in `text`, as [start, end) in UTF-16 units; white space may differ. Null when it is not there. */
export function locate(text: string, snippet: string): readonly [number, number] | null {
  const wanted = snippet.trim().replace(/(^…|…$|^\.\.\.|\.\.\.$)/g, "").trim();
  if (wanted === "") return null;
  const { squeezed, origin } = squeeze(text);
  const needle = wanted.replace(/\s+/g, "");
  for (const part of [needle, needle.slice(0, 60), needle.slice(0, 24)]) {
    const at = squeezed.indexOf(part);
    if (at !== -1) return [origin[at] ?? 0, (origin[at + part.length - 1] ?? 0) + 1];
  }
  return null;
}

function squeeze(text: string): { squeezed: string; origin: number[] } {
  let squeezed = "";
  const origin: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charAt(at);
    if (/\s/.test(unit)) continue;
    squeezed += unit;
    origin.push(at);
  }
  return { squeezed, origin };
}
