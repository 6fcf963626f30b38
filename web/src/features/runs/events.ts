/** The event vocabulary of a run, and the one reducer that turns it into what a reader sees. */

export interface Citation {
  number: number;
  document_id: string;
  title: string;
  page: number | null;
  snippet: string;
}

export interface Receipt {
  input_tokens: number;
  output_tokens: number;
  cost: { micros: number; currency: string } | null;
}

export interface RunEvent {
  seq: number;
  type: string;
  data: Readonly<Record<string, unknown>>;
}

export type Phase = "queued" | "running" | "finished" | "failed" | "cancelled";

export interface RunState {
  /** The last event that was taken in; the next one is `seq + 1`. */
  seq: number;
  phase: Phase;
  attempt: number;
  step: string | null;
  tool: string | null;
  text: string;
  reasoning: string;
  citations: readonly Citation[];
  usage: (Receipt & { model?: string }) | null;
  /** Besides, for a budget that ended, which one it is and when it renews. */
  error: Readonly<{ code: string; message: string; [extra: string]: unknown }> | null;
  /** How a finished answer ended: "stop", or what cut it off. */
  finishReason: string | null;
  /** Length of `text`, `reasoning` and `citations` before each event that added to them: what a restart winds back to. */
  marks: readonly Mark[];
}

interface Mark {
  seq: number;
  text: number;
  reasoning: number;
  citations: number;
}

export const START: RunState = {
  seq: 0,
  phase: "queued",
  attempt: 1,
  step: null,
  tool: null,
  text: "",
  reasoning: "",
  citations: [],
  usage: null,
  error: null,
  finishReason: null,
  marks: [],
};

export const ENDED: ReadonlySet<Phase> = new Set<Phase>(["finished", "failed", "cancelled"]);

/** Events are missing between what was seen and what came: the reader must ask again from `after`. */
export class Gap extends Error {
  constructor(
    readonly after: number,
    readonly got: number,
  ) {
    super(`event ${got} came after ${after}`);
    this.name = "Gap";
  }
}

/** Takes in events in order, each once: a repeated one changes nothing, a skipped one throws `Gap`. */
export function reduce(state: RunState, events: readonly RunEvent[]): RunState {
  const next = { ...state };
  const marks: Mark[] = [];
  for (const event of events) {
    if (event.seq <= next.seq) continue;
    if (event.seq !== next.seq + 1) throw new Gap(next.seq, event.seq);
    next.seq = event.seq;
    const apply = effects[event.type];
    if (apply) apply(next, event.data, marks);
  }
  if (marks.length > 0) next.marks = [...next.marks, ...marks];
  return next;
}

type Effect = (state: RunState, data: RunEvent["data"], marks: Mark[]) => void;

function mark(state: RunState, marks: Mark[]): void {
  marks.push({ seq: state.seq, text: state.text.length, reasoning: state.reasoning.length, citations: state.citations.length });
}

function rewind(state: RunState, from: number, fresh: Mark[]): void {
  const all = [...state.marks, ...fresh];
  const at = all.findIndex((m) => m.seq >= from);
  fresh.length = 0;
  if (at === -1) {
    state.marks = all;
    return;
  }
  const to = all[at] as Mark;
  state.text = state.text.slice(0, to.text);
  state.reasoning = state.reasoning.slice(0, to.reasoning);
  state.citations = state.citations.slice(0, to.citations);
  state.marks = all.slice(0, at);
}

const effects: Readonly<Record<string, Effect | undefined>> = {
  "run.started": (state, data) => {
    state.phase = "running";
    state.attempt = Number(data["attempt"] ?? 1);
    state.step = state.attempt > 1 ? "resumed" : "started";
  },
  "step.started": (state, data) => {
    state.step = String(data["name"]);
    state.tool = null;
  },
  "message.delta": (state, data, marks) => {
    mark(state, marks);
    state.text += String(data["text"]);
  },
  "reasoning.delta": (state, data, marks) => {
    mark(state, marks);
    state.reasoning += String(data["text"]);
  },
  "message.restarted": (state, data, marks) => rewind(state, Number(data["from_seq"]), marks),
  "source.cited": (state, data, marks) => {
    mark(state, marks);
    state.citations = [...state.citations, data as unknown as Citation];
  },
  "tool.called": (state, data) => {
    state.tool = String(data["name"]);
  },
  "tool.returned": (state) => {
    state.tool = null;
  },
  usage: (state, data) => {
    state.usage = data as unknown as RunState["usage"];
  },
  "run.finished": (state, data) => {
    state.phase = "finished";
    state.finishReason = typeof data["finish_reason"] === "string" ? data["finish_reason"] : null;
  },
  "run.failed": (state, data) => {
    state.phase = "failed";
    state.error = { ...data, code: String(data["code"]), message: typeof data["message"] === "string" ? data["message"] : "" };
  },
  "run.cancelled": (state, data) => {
    state.phase = "cancelled";
    state.usage = (data["receipt"] ?? state.usage) as RunState["usage"];
  },
};
