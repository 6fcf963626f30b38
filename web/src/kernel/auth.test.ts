import { beforeEach, describe, expect, it, vi } from "vitest";
import { authorisedFetch } from "./api/client";
import { auth, leaving, renewed, signIn, signOut } from "./auth";
import { draftKey } from "./drafts";
import { asking } from "./reauthentication";

const user = { id: "u", email: "a@example.com", name: "A", role: "user", is_disabled: false, created_at: "2026-11-21T00:00:00Z" };

/** A server whose access tokens are numbered; only the newest is good. */
function server() {
  let newest = 0;
  let open = true;
  let deaf = false;
  const calls: string[] = [];
  const issue = () => {
    newest += 1;
    return Response.json({ access_token: `t${newest}`, token_type: "bearer", expires_in: 900, refresh_token: null, user });
  };
  vi.stubGlobal("fetch", async (input: Request | string) => {
    const path = typeof input === "string" ? input : new URL(input.url).pathname;
    calls.push(path);
    await Promise.resolve();
    if (path.endsWith("/login")) {
      open = true;
      return issue();
    }
    if (path.endsWith("/refresh")) return open ? issue() : Response.json({ code: "refresh_invalid" }, { status: 401 });
    if (path.endsWith("/logout")) {
      if (deaf) throw new TypeError("the server is away");
      open = false;
      return new Response(null, { status: 204 });
    }
    const sent = (input as Request).headers.get("Authorization");
    return sent === `Bearer t${newest}` ? Response.json({ ok: true }) : Response.json({ code: "token_expired" }, { status: 401 });
  });
  return {
    calls,
    expire: () => (newest += 1),
    close: () => (open = false),
    hear: (again: boolean) => (deaf = !again),
    count: (end: string) => calls.filter((path) => path.endsWith(end)).length,
  };
}

const get = () => authorisedFetch(new Request("http://localhost/api/v1/things"));

describe("being signed in", () => {
  beforeEach(async () => {
    server();
    await signOut();
  });

  it("renews an ended token once for all who need it, and repeats what they asked", async () => {
    const { expire, count } = server();
    await signIn("a@example.com", "secret");
    expire();
    const answers = await Promise.all([get(), get(), get()]);
    expect(answers.map((one) => one.status)).toEqual([200, 200, 200]);
    expect(count("/refresh")).toBe(1);
  });

  it("ends when the cookie is good no more, and asks no further", async () => {
    const { expire, close, count } = server();
    await signIn("a@example.com", "secret");
    expire();
    close();
    expect((await get()).status).toBe(401);
    expect(auth.get()).toEqual({ state: "out" });
    await get();
    expect(count("/refresh")).toBe(1);
  });

  it("keeps the tokens where no script can read them afterwards", async () => {
    server();
    await signIn("a@example.com", "secret");
    expect(JSON.stringify([Object.values(localStorage), Object.values(sessionStorage)])).not.toContain("t1");
  });
});

describe("signing out", () => {
  beforeEach(async () => {
    server();
    await signOut();
  });

  it("holds although the server cannot be told: the cookie that is left signs nobody in", async () => {
    const { hear, count } = server();
    await signIn("a@example.com", "secret");
    hear(false);
    await signOut();
    expect([auth.get().state, leaving.get()]).toEqual(["out", true]);
    expect(await renewed()).toBeNull();
    expect([auth.get().state, count("/refresh")]).toEqual(["out", 0]);
    hear(true);
    await vi.waitFor(() => expect(leaving.get()).toBe(false));
    expect(await renewed()).toBeNull();
  });

  it("ends the former sign-in before another begins", async () => {
    const { hear, calls } = server();
    await signIn("a@example.com", "secret");
    hear(false);
    await signOut();
    hear(true);
    await signIn("b@example.com", "secret");
    const after = calls.slice(calls.findIndex((path) => path.endsWith("/logout")));
    expect(after.filter((path) => path.endsWith("/login"))).toHaveLength(1);
    expect(after.at(-1)).toMatch(/login$/);
    expect([auth.get().state, leaving.get()]).toEqual(["in", false]);
  });

  it("is not undone by a renewal that was on its way", async () => {
    const { expire } = server();
    await signIn("a@example.com", "secret");
    expire();
    const late = renewed();
    await signOut();
    await late;
    expect(auth.get().state).toBe("out");
  });

  it("is heard in another tab by the mark, where the message was lost", async () => {
    server();
    await signIn("a@example.com", "secret");
    dispatchEvent(new StorageEvent("storage", { key: "madang.leaving", newValue: "1" }));
    expect(auth.get().state).toBe("out");
    dispatchEvent(new StorageEvent("storage", { key: "madang.leaving", newValue: null }));
  });

  it("takes drafts along, and keeps how the screens look", async () => {
    server();
    await signIn("a@example.com", "secret");
    sessionStorage.setItem(draftKey("new"), "what nobody else may read");
    localStorage.setItem("madang.theme", "dark");
    await signOut();
    expect(Object.keys(sessionStorage).filter((key) => key.startsWith("madang.draft"))).toEqual([]);
    expect(localStorage.getItem("madang.theme")).toBe("dark");
  });

  it("lets a draft wait for its owner where the sign-in ran out, and for nobody else", async () => {
    const { expire, close } = server();
    await signIn("a@example.com", "secret");
    const mine = draftKey("new");
    sessionStorage.setItem(mine, "half a question");
    expire();
    close();
    await get();
    expect(auth.get().state).toBe("out");
    await signIn("a@example.com", "secret");
    expect(sessionStorage.getItem(mine)).toBe("half a question");
    sessionStorage.setItem("madang.draft.somebody-else.new", "theirs");
    await signOut();
    await signIn("a@example.com", "secret");
    expect(sessionStorage.getItem("madang.draft.somebody-else.new")).toBeNull();
  });
});

describe("what needs proof", () => {
  it("asks once for all that need it, and goes on with what was asked", async () => {
    let proved = false;
    const bodies: string[] = [];
    vi.stubGlobal("fetch", async (input: Request) => {
      bodies.push(await input.clone().text());
      return proved ? Response.json({ ok: true }) : Response.json({ code: "confirmation_needed" }, { status: 403 });
    });
    const make = () => authorisedFetch(new Request("http://localhost/api/v1/users/me/keys", { method: "POST", body: "a key" }));
    const both = Promise.all([make(), make()]);
    await vi.waitFor(() => expect(asking.get()).not.toBeNull());
    await vi.waitFor(() => expect(bodies).toHaveLength(2));
    proved = true;
    asking.get()?.(true);
    expect((await both).map((one) => one.status)).toEqual([200, 200]);
    expect(bodies).toEqual(["a key", "a key", "a key", "a key"]);
    expect(asking.get()).toBeNull();
  });

  it("says what was refused to whoever would rather not", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ code: "confirmation_needed" }, { status: 403 })));
    const tried = get();
    await vi.waitFor(() => expect(asking.get()).not.toBeNull());
    asking.get()?.(false);
    expect((await tried).status).toBe(403);
  });
});
