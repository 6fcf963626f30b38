/** Pairs of particles as the catalogue writes them after a name: with a final consonant before, and without. */
const PAIRS: Readonly<Record<string, readonly [string, string]>> = { "을(를)": ["을", "를"], "은(는)": ["은", "는"], "(으)로": ["으로", "로"] };
const AFTER = /(.)([”’"')]*)(을\(를\)|은\(는\)|\(으\)로)/gu;
/** The final consonants of the digits as they are read, from 영 to 구. */
const DIGITS = [21, 8, 0, 16, 0, 0, 1, 8, 8, 0];
const RIEUL = 8;

/** The final consonant of a letter by its number (0: none); null where one cannot know how it is read. */
function final(letter: string): number | null {
  const code = letter.codePointAt(0) ?? 0;
  if (code >= 0xac00 && code <= 0xd7a3) return (code - 0xac00) % 28;
  return DIGITS[letter >= "0" && letter <= "9" ? Number(letter) : -1] ?? null;
}

/** Puts the particle that fits the name before it in the place of both; both stay where the name is not Korean. */
export function withParticles(text: string): string {
  return text.replace(AFTER, (whole, letter: string, closing: string, pair: string) => {
    const last = final(letter);
    const [closed, open] = PAIRS[pair] ?? ["", ""];
    if (last === null) return whole;
    return letter + closing + (last === 0 || (pair === "(으)로" && last === RIEUL) ? open : closed);
  });
}
