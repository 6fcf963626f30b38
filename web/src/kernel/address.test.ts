import { beforeEach, describe, expect, it, vi } from "vitest";

/** The module as a page that is opened at this address loads it. */
async function opened(path: string) {
  vi.resetModules();
  history.replaceState(null, "", path);
  return import("./address");
}

describe("what a page is opened with", () => {
  beforeEach(() => history.replaceState(null, "", "/"));

  it("takes a mail's token out of the address bar", async () => {
    const { arrival, address } = await opened("/reset-password#a%2Fb");
    expect(arrival.token).toBe("a/b");
    expect(location.hash).toBe("");
    expect(address.get()).toBe("/reset-password");
  });

  it("bears a token that was cut off in the middle of a character", async () => {
    const { arrival } = await opened("/verify-email#abc%E0%A4%A");
    expect(arrival.token).toBe("abc%E0%A4%A");
    expect(location.hash).toBe("");
  });

  it("leaves the fragments of other pages alone", async () => {
    const { arrival } = await opened("/chat/1#message");
    expect(arrival.token).toBe("");
    expect(location.hash).toBe("#message");
  });

  it("takes out why a sign-in failed and keeps the rest of the query", async () => {
    const { arrival } = await opened("/settings/security?sign-in-error=oidc_denied&x=1");
    expect(arrival.error).toBe("oidc_denied");
    expect(location.search).toBe("?x=1");
  });
});
