/** Milliseconds before attempt `n` (from 0): doubling from 250, jittered by half, at most `ceiling`. */
export function backoff(n: number, ceiling = 8_000, random: () => number = Math.random): number {
  const full = Math.min(ceiling, 250 * 2 ** Math.min(n, 16));
  return full / 2 + (full / 2) * random();
}

/** Waits, but no longer than until the browser says that it is online or looked at again, or `signal` aborts. */
export function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", done);
      document.removeEventListener("visibilitychange", shown);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const shown = () => {
      if (document.visibilityState === "visible") done();
    };
    const timer = setTimeout(done, milliseconds);
    globalThis.addEventListener("online", done);
    document.addEventListener("visibilitychange", shown);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
