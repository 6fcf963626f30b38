import { useInfiniteQuery, useMutation, useQuery, type InfiniteData } from "@tanstack/react-query";
import { onRunEnded, type Receipt } from "@/features/runs/public";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { queries } from "@/kernel/query";
import { wait } from "@/kernel/stream/backoff";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Session = Json<paths["/api/v1/chat/sessions/{session_id}"]["get"]["responses"][200]>;
type Stored = Json<paths["/api/v1/chat/sessions/{session_id}/messages"]["get"]["responses"][200]>["items"][number];
export type Message = Omit<Stored, "usage" | "error"> & { usage: Receipt | null; error: { code: string } | null };
export type Sent = Json<paths["/api/v1/chat/sessions/{session_id}/messages"]["post"]["responses"][202]>;
type SessionPage = Json<paths["/api/v1/chat/sessions/"]["get"]["responses"][200]>;

/** Longer messages are refused before they are sent. */
export const MESSAGE_LIMIT = 20_000;

export function useSessions(q: string) {
  return useInfiniteQuery({
    queryKey: ["sessions", q],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => body(api.GET("/api/v1/chat/sessions/", { params: { query: { limit: 40, ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  });
}

/** What the server calls a session before its first question. */
const UNTITLED = "…";

/** The name of a session; null while it has none. */
export function titleOf(session: Pick<Session, "title"> | undefined): string | null {
  return session === undefined || session.title === "" || session.title === UNTITLED ? null : session.title;
}

export function useSession(id: string) {
  return useQuery({ queryKey: ["session", id], queryFn: () => body(api.GET("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: id } } })) });
}

async function loadMessages(id: string): Promise<Message[]> {
  const all: Message[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: Stored[]; next_cursor?: string | null } = await body(
      api.GET("/api/v1/chat/sessions/{session_id}/messages", { params: { path: { session_id: id }, query: { limit: 100, ...(cursor === null ? {} : { cursor }) } } }),
    );
    all.push(...(page.items as Message[]));
    cursor = page.next_cursor ?? null;
  } while (cursor !== null);
  return all;
}

export function useMessages(id: string) {
  return useQuery({ queryKey: ["messages", id], queryFn: () => loadMessages(id) });
}

export function messagesOf(id: string): Message[] | undefined {
  return queries.getQueryData<Message[]>(["messages", id]);
}

export function putMessages(id: string, change: (before: Message[]) => Message[]): void {
  queries.setQueryData<Message[]>(["messages", id], (before) => change(before ?? []));
}

export async function refreshSessions(): Promise<void> {
  await Promise.all([queries.invalidateQueries({ queryKey: ["sessions"] }), queries.invalidateQueries({ queryKey: ["session"] })]);
}

export async function createSession(): Promise<Session> {
  const session = await body(api.POST("/api/v1/chat/sessions/", { body: {} }));
  queries.setQueryData(["session", session.id], session);
  queries.setQueryData(["messages", session.id], []);
  return session;
}

function everyList(change: (items: SessionPage["items"]) => SessionPage["items"]): void {
  queries.setQueriesData<InfiniteData<SessionPage>>({ queryKey: ["sessions"] }, (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, items: change(page.items) })) });
}

export function useRenameSession() {
  return useMutation({
    mutationFn: ({ id, title }: { id: string; title: string }) => body(api.PUT("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: id } }, body: { title } })),
    onMutate: ({ id, title }) => everyList((items) => items.map((one) => (one.id === id ? { ...one, title } : one))),
    onSettled: refreshSessions,
  });
}

export function useDeleteSession() {
  return useMutation({
    mutationFn: (id: string) => body(api.DELETE("/api/v1/chat/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSuccess: (_, id) => everyList((items) => items.filter((one) => one.id !== id)),
    onSettled: refreshSessions,
  });
}

/** The stored answer can be a moment behind the run's last event; asks until it is there. */
async function settle(runId: string): Promise<void> {
  const entry = queries.getQueryCache().findAll({ queryKey: ["messages"] }).find(({ state }) => (state.data as Message[] | undefined)?.some((one) => one.run_id === runId));
  if (!entry) return;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    await queries.invalidateQueries({ queryKey: entry.queryKey });
    const stored = (entry.state.data as Message[] | undefined)?.find((one) => one.run_id === runId);
    if (stored?.status !== "streaming") break;
    await wait(150 * 2 ** attempt);
  }
  await refreshSessions();
}

onRunEnded((runId) => void settle(runId));
