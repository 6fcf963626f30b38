import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "./consoles.en.json";
import ko from "./consoles.ko.json";

const SERVER = join(import.meta.dirname, "../../../../src/madang");
const WRITES = /from madang\.kernel\.audit import|from madang\.kernel import .*\baudit\b/;
/** Names of other things that stand in files which write to the audit log: permissions, and what is announced or logged. */
const NO_DEEDS = new Set(["usage.read", "usage.exhausted"]);

const sources = readdirSync(SERVER, { recursive: true, encoding: "utf8" })
  .filter((one) => one.endsWith(".py"))
  .map((path) => readFileSync(join(SERVER, path), "utf8"))
  .filter((source) => WRITES.test(source));
const owners = ["features", "products"].flatMap((kind) => (readdirSync(SERVER).includes(kind) ? readdirSync(join(SERVER, kind)) : [])).filter((one) => /^[a-z]+$/.test(one));

function found(pattern: RegExp): string[] {
  return [...new Set(sources.flatMap((source) => [...source.matchAll(pattern)].map(([, name = ""]) => name)))].sort();
}

/** Every name of a deed, wherever in those files it stands: in the call itself, in a choice, or handed on. */
const recorded = found(new RegExp(`"((?:${owners.join("|")})\\.[a-z_]+)"`, "g")).filter((one) => !NO_DEEDS.has(one));
const targets = [...found(/\bTarget\("([a-z_]+)"/g), "organisation", "partner", "class"];

const flat = (tree: Record<string, Record<string, string>>) => Object.entries(tree).flatMap(([owner, names]) => Object.keys(names).map((name) => `${owner}.${name}`));

describe.each([
  ["Korean", ko],
  ["English", en],
])("the audit log in %s", (_, words) => {
  it("has words for every deed that the server writes down", () => {
    expect(recorded.length).toBeGreaterThan(50);
    expect(recorded.filter((one) => !flat(words.actions).includes(one))).toEqual([]);
  });

  it("has no words for deeds that nobody writes down", () => {
    expect(flat(words.actions).filter((one) => !recorded.includes(one))).toEqual([]);
  });

  it("has words for everything that a deed is done to", () => {
    expect(targets.filter((one) => !Object.hasOwn(words.targets, one))).toEqual([]);
  });
});
