import { authorisedFetch } from "@/kernel/api/client";
import { Problem } from "@/kernel/api/problem";
import { backoff, wait } from "@/kernel/stream/backoff";
import { chunksOf, serverEvents, type ServerEvent } from "@/kernel/stream/sse";
import { ENDED, reduce, START, type RunEvent, type RunState } from "./events";

export interface Following {
  state: RunState;
  /** `lost`: the server answers no more for this run (404), so only the stored message can tell. */
  link: "live" | "reconnecting" | "ended" | "lost";
}

type Open = (runId: string, after: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

/** Opens the run's log after event `after`. Throws `Problem` when refused. */
const open: Open = async (runId, after, signal) => {
  const headers: HeadersInit = { Accept: "text/event-stream" };
  if (after > 0) headers["Last-Event-ID"] = String(after);
  const request = new Request(`${location.origin}/api/v1/runs/${encodeURIComponent(runId)}/events`, { headers, signal, cache: "no-store" });
  const response = await authorisedFetch(request);
  if (!response.ok || !response.body) throw await Problem.from(response);
  return chunksOf(response.body);
};

function parse({ id, type, data }: ServerEvent): RunEvent | null {
  const seq = Number(id);
  if (!id || !Number.isSafeInteger(seq)) return null;
  return { seq, type, data: JSON.parse(data) as RunEvent["data"] };
}

/** Ends for good: the run is not ours or not there. Anything else is worth another try. */
function hopeless(error: unknown): boolean {
  return error instanceof Problem && (error.status === 404 || error.status === 403 || error.status === 401);
}

/**
 * Follows a run from its first event to its last, through any number of disconnects. Yields after each batch that the
 * network brought; the state it yields holds every event exactly once, whatever was repeated or lost on the way.
 */
export async function* follow(runId: string, signal: AbortSignal, from: Open = open, pause = wait): AsyncGenerator<Following> {
  let state = START;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const chunks = await from(runId, state.seq, signal);
      if (failures > 0) yield { state, link: "live" };
      for await (const batch of serverEvents(chunks)) {
        state = reduce(state, batch.map(parse).filter(isEvent));
        failures = 0;
        yield { state, link: linkOf(state) };
        if (ENDED.has(state.phase)) return;
      }
    } catch (error) {
      if (hopeless(error)) {
        yield { state, link: "lost" };
        return;
      }
    }
    if (failures > 0) yield { state, link: "reconnecting" };
    await pause(backoff(failures), signal);
    failures += 1;
  }
}

function isEvent(event: RunEvent | null): event is RunEvent {
  return event !== null;
}

function linkOf(state: RunState): Following["link"] {
  return ENDED.has(state.phase) ? "ended" : "live";
}
