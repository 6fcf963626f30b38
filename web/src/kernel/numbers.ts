/** "1,234" and "1,234만"-style numbers of the given language; short from ten thousand on when asked. */
export function count(value: number, language: string, { short = false } = {}): string {
  const compact = short && Math.abs(value) >= 10_000;
  return new Intl.NumberFormat(language, compact ? { notation: "compact", maximumFractionDigits: 1 } : { maximumFractionDigits: 0 }).format(value);
}

/** "$12.30" of an amount in whole units; what is less than a cent shows its first digits, for tokens are cheap. */
export function money(amount: number, currency: string, language: string): string {
  const small = amount !== 0 && Math.abs(amount) < 0.01 ? { maximumSignificantDigits: 2 } : {};
  return new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...small }).format(amount);
}

export function percent(share: number, language: string): string {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: share > 0 && share < 0.01 ? 1 : 0 }).format(share);
}
