import type { RunEvent } from "@/features/runs/events";

/** Events as the server writes them, with heartbeats in between. */
export function wire(events: readonly RunEvent[]): Uint8Array {
  const lines = events.map(({ seq, type, data }) => `${seq % 3 === 0 ? ": beat\n\n" : ""}id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  return new TextEncoder().encode(lines.join(""));
}

/** Bytes in pieces of the given sizes. */
export function cut(bytes: Uint8Array, sizes: Iterable<number>): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) break;
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}

// eslint-disable-next-line @typescript-eslint/require-await -- what the network gives is asynchronous
export async function* feed(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}
