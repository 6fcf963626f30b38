import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviceName } from "./deviceName";
import { chosen, partsOf, type Reach } from "./keys";

const PARTS = ["chat", "documents", "runs", "models"];
const permissions = fc.uniqueArray(fc.tuple(fc.constantFrom(...PARTS), fc.constantFrom("read", "write")).map((pair) => pair.join(":")));
const reach = fc.dictionary(fc.constantFrom(...PARTS), fc.constantFrom<Reach>("nothing", "read", "write"));

describe("the permissions of a key", () => {
  it("are never more than there are, nor of a part that was not chosen", () => {
    fc.assert(
      fc.property(permissions, reach, (all, wish) => {
        for (const one of chosen(all, wish)) {
          expect(all).toContain(one);
          const [part = "", what] = one.split(":");
          expect(wish[part] === "write" || (wish[part] === "read" && what === "read")).toBe(true);
        }
      }),
    );
  });

  it("are everything when everything was chosen", () => {
    fc.assert(
      fc.property(permissions, (all) => {
        const wish = Object.fromEntries([...partsOf(all).keys()].map((part) => [part, "write" as const]));
        expect(chosen(all, wish)).toEqual(all);
      }),
    );
  });

  it("take the supervisor's powers, which are neither reading nor writing, for writing only", () => {
    expect(partsOf(["supervisor"]).get("supervisor")).toEqual({ reads: false, writes: true });
    expect(chosen(["supervisor", "chat:read"], { supervisor: "read", chat: "read" })).toEqual(["chat:read"]);
    expect(chosen(["supervisor"], { supervisor: "write" })).toEqual(["supervisor"]);
  });
});

describe("a device's name", () => {
  it.each([
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge · Windows"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", "Safari · iPhone"],
    ["Mozilla/5.0 (Linux; Android 15; SM-S928N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", "Samsung Internet · Android"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Whale/4.33 Safari/537.36", "Whale · Windows"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox · Linux"],
    ["curl/8.14.1", "curl"],
  ])("is what people call it: %s", (agent, name) => {
    expect(deviceName(agent)).toBe(name);
  });

  it("is nothing for what nobody knows, whatever it says", () => {
    expect(deviceName("")).toBeNull();
    fc.assert(fc.property(fc.string(), (agent) => typeof deviceName(agent) === "string" || deviceName(agent) === null));
  });
});
