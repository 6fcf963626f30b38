import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "@/kernel/api/problem";
import { cut, feed, wire } from "@/testing/wire";
import { Gap, reduce, type RunEvent, START } from "./events";
import { follow, type Following } from "./follow";

const word = fc.constantFrom("마당", "은 ", "court", " 🏡", "\n\n", "$x^2$", "[1]");
const cited = (number: number) => ({ number, document_id: "d", title: "t", page: 1, snippet: "s" });

interface Turn {
  /** What each attempt said; every attempt but the last is taken back. */
  attempts: string[][];
  end: "run.finished" | "run.failed" | "run.cancelled";
}

const turn: fc.Arbitrary<Turn> = fc.record({
  attempts: fc.array(fc.array(word, { maxLength: 12 }), { minLength: 1, maxLength: 3 }),
  end: fc.constantFrom("run.finished", "run.failed", "run.cancelled"),
});

/** The log that a server writes for a turn: dense from 1, each new attempt announcing what it takes back. */
function log({ attempts, end }: Turn): RunEvent[] {
  const events: RunEvent[] = [];
  const add = (type: string, data: RunEvent["data"] = {}) => events.push({ seq: events.length + 1, type, data });
  add("run.queued");
  let first = 0;
  attempts.forEach((words, index) => {
    if (index > 0) add("message.restarted", { from_seq: first });
    add("run.started", { attempt: index + 1 });
    first = events.length + 1;
    add("source.cited", cited(index + 1));
    for (const text of words) add("message.delta", { text });
  });
  add(end, { code: "model_cut_off", message: "", message_id: "m", receipt: null });
  return events;
}

function expected({ attempts }: Turn): { text: string; sources: number[] } {
  return { text: attempts.at(-1)?.join("") ?? "", sources: [attempts.length] };
}

/** A connection's fate: how many events it brings, from how far back it repeats, in pieces of what size; or a refusal. */
const fate = fc.oneof(
  { weight: 5, arbitrary: fc.record({ brings: fc.integer({ min: 0, max: 8 }), repeats: fc.integer({ min: 0, max: 4 }), size: fc.integer({ min: 1, max: 30 }), breaks: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constantFrom("refused" as const, 503 as const, 500 as const) },
);

async function* broken(pieces: Uint8Array[], breaks: boolean): AsyncGenerator<Uint8Array> {
  yield* feed(pieces);
  if (breaks) throw new TypeError("network error");
}

async function read(events: RunEvent[], fates: readonly (typeof fate extends fc.Arbitrary<infer F> ? F : never)[]): Promise<Following[]> {
  const left = [...fates];
  // eslint-disable-next-line @typescript-eslint/require-await -- stands in for fetch
  const open = async (_: string, after: number) => {
    const next = left.shift();
    if (next === undefined) return feed([wire(events.slice(after))]);
    if (next === "refused") throw new TypeError("Failed to fetch");
    if (typeof next === "number") throw new Problem(next, "unavailable", "");
    const bytes = wire(events.slice(Math.max(0, after - next.repeats), after + next.brings));
    return broken(cut(bytes, Array<number>(bytes.length).fill(next.size)), next.breaks);
  };
  const seen: Following[] = [];
  for await (const following of follow("run", new AbortController().signal, open, () => Promise.resolve())) seen.push(following);
  return seen;
}

describe("following a run", () => {
  it("shows every event once, whatever breaks, repeats or restarts", async () => {
    await fc.assert(
      fc.asyncProperty(turn, fc.array(fate, { maxLength: 12 }), async (said, fates) => {
        const events = log(said);
        const last = (await read(events, fates)).at(-1);
        expect(last?.link).toBe("ended");
        expect(last?.state.seq).toBe(events.length);
        expect({ text: last?.state.text, sources: last?.state.citations.map((one) => one.number) }).toEqual(expected(said));
      }),
      { numRuns: 300 },
    );
  });

  it("never shows a text that the run has not said", async () => {
    await fc.assert(
      fc.asyncProperty(turn, fc.array(fate, { maxLength: 8 }), async (said, fates) => {
        const wholes = said.attempts.map((words) => words.join(""));
        for (const { state } of await read(log(said), fates)) expect(wholes.some((whole) => whole.startsWith(state.text))).toBe(true);
      }),
    );
  });

  it("gives up on a run that is not there", async () => {
    const open = () => Promise.reject(new Problem(404, "run_not_found", ""));
    const seen: string[] = [];
    for await (const { link } of follow("run", new AbortController().signal, open, () => Promise.resolve())) seen.push(link);
    expect(seen).toEqual(["lost"]);
  });

  it("ends when nobody looks any more", async () => {
    const stop = new AbortController();
    const open = () => Promise.reject(new TypeError("Failed to fetch"));
    const pause = () => {
      stop.abort();
      return Promise.resolve();
    };
    const seen: string[] = [];
    for await (const { link } of follow("run", stop.signal, open, pause)) seen.push(link);
    expect(seen).toEqual([]);
  });
});

describe("reducing events", () => {
  it("is the same in any batches, with anything repeated", () => {
    fc.assert(
      fc.property(turn, fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 10 }), (said, cuts) => {
        const events = log(said);
        let state = START;
        for (const [back, on] of cuts) state = reduce(state, events.slice(Math.max(0, state.seq - back), state.seq + on));
        expect(reduce(state, events)).toEqual(reduce(START, events));
      }),
    );
  });

  it("says what cut an answer off", () => {
    const events: RunEvent[] = [
      { seq: 1, type: "run.queued", data: {} },
      { seq: 2, type: "message.delta", data: { text: "첫째, " } },
      { seq: 3, type: "run.finished", data: { message_id: "m", finish_reason: "length" } },
    ];
    expect(reduce(START, events)).toMatchObject({ phase: "finished", text: "첫째, ", finishReason: "length" });
    expect(reduce(START, events.slice(0, 2)).finishReason).toBeNull();
  });

  it("refuses to skip", () => {
    const events = log({ attempts: [["a", "b"]], end: "run.finished" });
    expect(() => reduce(START, events.slice(1))).toThrow(Gap);
  });
});
