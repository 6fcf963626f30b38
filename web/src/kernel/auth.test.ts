import { beforeEach, describe, expect, it, vi } from "vitest";
import { authorisedFetch } from "./api/client";
import { auth, signIn, signOut } from "./auth";

const user = { id: "u", email: "a@example.com", name: "A", role: "user", is_disabled: false, created_at: "2026-11-21T00:00:00Z" };

/** A server whose access tokens are numbered; only the newest is good. */
function server() {
  let newest = 0;
  let open = true;
  const calls: string[] = [];
  const issue = () => {
    newest += 1;
    return Response.json({ access_token: `t${newest}`, token_type: "bearer", expires_in: 900, refresh_token: null, user });
  };
  vi.stubGlobal("fetch", async (input: Request | string) => {
    const path = typeof input === "string" ? input : new URL(input.url).pathname;
    calls.push(path);
    await Promise.resolve();
    if (path.endsWith("/login")) return issue();
    if (path.endsWith("/refresh")) return open ? issue() : Response.json({ code: "refresh_invalid" }, { status: 401 });
    if (path.endsWith("/logout")) return new Response(null, { status: 204 });
    const sent = (input as Request).headers.get("Authorization");
    return sent === `Bearer t${newest}` ? Response.json({ ok: true }) : Response.json({ code: "token_expired" }, { status: 401 });
  });
  return {
    calls,
    expire: () => (newest += 1),
    close: () => (open = false),
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
