import { Problem, codeOf } from "@/kernel/api/problem";
import { api, body } from "@/kernel/api/client";
import { whenLeft } from "@/kernel/auth";
import { newId } from "@/kernel/ids";
import { createStore } from "@/kernel/store";
import { backoff, wait } from "@/kernel/stream/backoff";
import { type Message, messagesOf, putMessages, refreshSessions, type Sent } from "./api";
import { tellHere, tellTabs } from "./tabs";

export interface Draft {
  text: string;
  documentIds: readonly string[];
  model: string | null;
}

export interface Pending extends Draft {
  key: string;
  sessionId: string;
  /** Null while it is being sent; afterwards what refused it. */
  error: unknown;
}

/** Questions that the server has not accepted yet. */
export const pending = createStore<readonly Pending[]>([]);

whenLeft(() => pending.set([]));

const ATTEMPTS = 5;

function drop(key: string): void {
  pending.set(pending.get().filter((one) => one.key !== key));
}

export function discard(one: Pending): void {
  drop(one.key);
}

/** Sends a question; repeats under the same idempotency key while nobody answers, so that it is asked once. */
export async function ask(sessionId: string, draft: Draft, key = newId()): Promise<void> {
  const entry: Pending = { ...draft, key, sessionId, error: null };
  pending.set([...pending.get().filter((one) => one.key !== key), entry]);
  try {
    const sent = await insist(() => post(entry));
    accept(sessionId, draft.text, sent);
    drop(key);
  } catch (error) {
    if (codeOf(error) === "session_busy") tellHere(sessionId);
    pending.set(pending.get().map((one) => (one.key === key ? { ...one, error } : one)));
  }
}

/** Answers a question again in the place of its old answer. */
export async function askAgain(sessionId: string, messageId: string): Promise<void> {
  try {
    const sent = await insist(() => body(api.POST("/api/v1/chat/sessions/{session_id}/messages/{message_id}/retry", { params: { path: { session_id: sessionId, message_id: messageId } } })));
    putMessages(sessionId, (before) => [...before.filter((one) => one.reply_to !== messageId), streaming(sent)]);
    told(sessionId);
  } catch (error) {
    // An answer that is being written already is what was asked for.
    if (codeOf(error) !== "session_busy") throw error;
    tellHere(sessionId);
  }
}

async function post(entry: Pending): Promise<Sent> {
  const { text, documentIds, model, key } = entry;
  return body(
    api.POST("/api/v1/chat/sessions/{session_id}/messages", {
      params: { path: { session_id: entry.sessionId }, header: { "Idempotency-Key": key } },
      body: { text, ...(documentIds.length > 0 ? { document_ids: [...documentIds] } : {}), ...(model === null ? {} : { model }) },
    }),
  );
}

function passing(error: unknown): boolean {
  return !(error instanceof Problem) || [500, 502, 503, 504].includes(error.status);
}

async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!passing(error) || attempt === ATTEMPTS - 1) throw error;
      await wait(backoff(attempt + 1, 4_000));
    }
  }
}

function accept(sessionId: string, text: string, sent: Sent): void {
  if (messagesOf(sessionId)?.some((one) => one.id === sent.message_id) !== true) {
    const asked: Message = { ...streaming(sent), id: sent.message_id, reply_to: null, role: "user", text, status: "complete", run_id: null };
    putMessages(sessionId, (before) => [...before, asked, streaming(sent)]);
  }
  told(sessionId);
}

function streaming(sent: Sent): Message {
  return { id: sent.answer_id, reply_to: sent.message_id, session_id: sent.session_id, role: "assistant", text: "", status: "streaming", run_id: sent.run_id, citations: [], error: null, finish_reason: null, model: null, usage: null, created_at: new Date().toISOString() };
}

function told(sessionId: string): void {
  tellTabs(sessionId);
  void refreshSessions();
}
