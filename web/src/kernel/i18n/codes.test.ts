import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "./en.json";

const SERVER = join(import.meta.dirname, "../../../../src/madang");
const RAISED = /\b(?:BadRequest|Unauthorized|Forbidden|NotFound|Conflict|TooLarge|UnsupportedType|Invalid|TooMany|BadGateway|Unavailable|GatewayTimeout|Problem)\(\s*"([a-z]+(?:_[a-z]+)+)"/g;
/** Refusals that only programs meet: no screen sends what leads to them. */
const NOT_FOR_SCREENS = /^(idempotency|body|header|cursor|path|method|media|schema|lock|range)_/;

function codes(): Map<string, string> {
  const all = new Map<string, string>();
  for (const path of readdirSync(SERVER, { recursive: true, encoding: "utf8" }).filter((one) => one.endsWith(".py"))) {
    for (const [, code = ""] of readFileSync(join(SERVER, path), "utf8").matchAll(RAISED)) all.set(code, path);
  }
  return all;
}

describe("the server's refusals", () => {
  it("all have words in the catalogues", () => {
    const raised = [...codes()].filter(([code]) => !NOT_FOR_SCREENS.test(code));
    expect(raised.length).toBeGreaterThan(20);
    expect(raised.filter(([code]) => !Object.hasOwn(en.errors, code))).toEqual([]);
  });
});
