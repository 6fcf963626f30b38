import { Problem } from "@/kernel/api/problem";
import type { paths } from "@/kernel/api/schema";
import { createStore } from "@/kernel/store";
import { backoff, wait } from "@/kernel/stream/backoff";

export type User = paths["/api/v1/auth/me"]["get"]["responses"][200]["content"]["application/json"];
type Tokens = paths["/api/v1/auth/login"]["post"]["responses"][200]["content"]["application/json"];
export type Auth = { state: "unknown" } | { state: "out" } | { state: "in"; user: User };

type News = { kind: "in"; tokens: Tokens; until: number } | { kind: "out" } | { kind: "told" };

const KEY = "madang.here";
/** Set from the moment one signs out until the server knows: with it no cookie signs anybody in. */
const LEAVING = "madang.leaving";
/** What this browser keeps for whoever comes next, although the server has it forget the rest. */
const KEPT = ["madang.theme", "madang.language"];
const LONGEST_WAIT = 30_000;

/** Who is signed in here. The access token itself never leaves this module's memory. */
export const auth = createStore<Auth>({ state: "unknown" });

/** Whether somebody signed out here and the server could not be told yet. */
export const leaving = createStore(isLeaving());

let access: { token: string; until: number } | null = null;
let renewal: Promise<string | null> | null = null;
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("madang.auth") : null;

tabs?.addEventListener("message", ({ data }: MessageEvent<News>) => {
  if (data.kind === "in") keep(data.tokens, data.until);
  else if (data.kind === "out") leave();
  leaving.set(isLeaving());
});
// Where a message was lost, the mark itself tells the other tabs.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== LEAVING) return;
  if (newValue !== null) leave();
  leaving.set(newValue !== null);
});

const leavers = new Set<() => void>();

/** Has this done when somebody signs out, in whichever tab: what they left here must not be seen by the next. */
export function whenLeft(work: () => void): void {
  leavers.add(work);
}

function isLeaving(): boolean {
  return localStorage.getItem(LEAVING) !== null;
}

function mark(on: boolean): void {
  if (on) localStorage.setItem(LEAVING, "1");
  else localStorage.removeItem(LEAVING);
  leaving.set(on);
}

function keep(tokens: Tokens, until: number): void {
  localStorage.setItem(KEY, "1");
  access = { token: tokens.access_token, until };
  const before = auth.get();
  if (before.state === "in" && before.user.id !== tokens.user.id) location.reload();
  else if (before.state !== "in" || JSON.stringify(before.user) !== JSON.stringify(tokens.user)) auth.set({ state: "in", user: tokens.user });
}

function forget(): void {
  access = null;
  localStorage.removeItem(KEY);
  auth.set({ state: "out" });
}

function leave(): void {
  forget();
  for (const work of leavers) work();
}

function accept(tokens: Tokens): string {
  const until = Date.now() + tokens.expires_in * 1000;
  keep(tokens, until);
  tabs?.postMessage({ kind: "in", tokens, until } satisfies News);
  return tokens.access_token;
}

async function post(path: string, payload: unknown): Promise<Response> {
  return fetch(`/api/v1/auth/${path}`, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(payload),
  });
}

/** Signs in by one of the ways there are, with the refresh token in an HttpOnly cookie. Throws `Problem` when refused. */
export async function enter(way: "login" | "login/second-factor" | "passkey", proof: object): Promise<void> {
  if (isLeaving()) await tell();
  await alone(async () => {
    const response = await post(way, { ...proof, session: "cookie" });
    if (!response.ok) throw await Problem.from(response);
    mark(false);
    accept((await response.json()) as Tokens);
  });
}

/** Signs in with a password; a `Problem` with the code `second_factor_required` has the challenge of the second step. */
export function signIn(email: string, password: string): Promise<void> {
  return enter("login", { email, password });
}

/** Takes over what has changed about the account that is signed in here. */
export function renewUser(user: User): void {
  const before = auth.get();
  if (before.state === "in" && before.user.id === user.id) auth.set({ state: "in", user });
}

/** Whether somebody was signed in here when this browser was last used: a guess, for what to load first. */
export function wasIn(): boolean {
  return localStorage.getItem(KEY) !== null;
}

/** Signs out in every tab at once; where the server cannot be told, it is told again until it knows. */
export async function signOut(): Promise<void> {
  mark(true);
  leave();
  tabs?.postMessage({ kind: "out" } satisfies News);
  if (!(await tell())) void insist();
}

/** Tells the server once that whoever the cookie belongs to has left; whether it knows now. */
async function tell(): Promise<boolean> {
  const kept = KEPT.map((key) => [key, localStorage.getItem(key)] as const);
  const told = await alone(async () => {
    if (!isLeaving()) return true;
    const response = await post("logout", {}).catch(() => null);
    if (response?.ok) mark(false);
    return response?.ok === true;
  });
  if (!told) return false;
  for (const [key, value] of kept) if (value !== null) localStorage.setItem(key, value);
  // The server has the browser forget the mark too, and of that no tab is told.
  tabs?.postMessage({ kind: "told" } satisfies News);
  return true;
}

let insisting: Promise<void> | null = null;

/** Tells the server again and again, over reloads too. */
function insist(): Promise<void> {
  insisting ??= repeat().finally(() => (insisting = null));
  return insisting;
}

async function repeat(): Promise<void> {
  for (let attempt = 0; isLeaving(); attempt += 1) {
    await wait(backoff(attempt, LONGEST_WAIT));
    if (await tell()) return;
  }
}

/** The access token, renewed first when it is about to end; null for nobody. */
export async function bearer(): Promise<string | null> {
  if (access === null) return auth.get().state === "in" ? renewed() : null;
  return access.until - Date.now() > 5_000 ? access.token : renewed();
}

/** A new access token by the cookie; concurrent callers share one request, here and across tabs. Null: signed out. */
export function renewed(): Promise<string | null> {
  renewal ??= alone(renew).finally(() => (renewal = null));
  return renewal;
}

async function alone<T>(work: () => Promise<T>): Promise<T> {
  const locks = (navigator as { locks?: LockManager }).locks;
  return locks ? locks.request("madang.refresh", work) : work();
}

async function renew(): Promise<string | null> {
  if (isLeaving()) {
    forget();
    void insist();
    return null;
  }
  const held = access?.token;
  const response = await post("refresh", {});
  if (isLeaving()) return null; // somebody signed out meanwhile
  if (response.ok) return accept((await response.json()) as Tokens);
  if (response.status !== 401 && response.status !== 422) throw await Problem.from(response);
  // Another tab may have turned the cookie over a moment ago and told us its token.
  if (access !== null && access.token !== held) return access.token;
  forget();
  return null;
}
