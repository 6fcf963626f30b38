import { createStore } from "@/kernel/store";
import { backoff, wait } from "@/kernel/stream/backoff";

/** Whether the server answers. While it does not, one loop knocks with back-off and everybody else waits for its news. */
export const connection = createStore<"up" | "down">("up");

let knocking = false;

export function reached(): void {
  connection.set("up");
}

export function unreached(): void {
  connection.set("down");
  if (!knocking) void knock();
}

async function knock(): Promise<void> {
  knocking = true;
  for (let attempt = 0; connection.get() === "down"; attempt += 1) {
    await wait(backoff(attempt, 5_000));
    const answer = await fetch("/health/live", { cache: "no-store" }).catch(() => null);
    if (answer?.ok) connection.set("up");
  }
  knocking = false;
}

globalThis.addEventListener("offline", unreached);
