/// <reference types="vite/client" />
import { describe, expect, it } from "vitest";
import accountEn from "./account.en.json";
import accountKo from "./account.ko.json";
import consolesEn from "./consoles.en.json";
import consolesKo from "./consoles.ko.json";
import en from "./en.json";
import entranceEn from "./entrance.en.json";
import entranceKo from "./entrance.ko.json";
import ko from "./ko.json";

const sources: Record<string, string> = import.meta.glob("../../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });

function flat(tree: object, prefix = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(tree) as [string, string | object][]) {
    if (typeof value === "string") all.set(prefix + key, value);
    else for (const [inner, text] of flat(value, `${prefix}${key}.`)) all.set(inner, text);
  }
  return all;
}

const korean = flat({ ...ko, ...accountKo, ...consolesKo, ...entranceKo });
const english = flat({ ...en, ...accountEn, ...consolesEn, ...entranceEn });
/** All but the tests, the types of the API and the grammar. */
const screens = Object.entries(sources).filter(([path]) => !/\.test\.|schema\.d|\/particles\./.test(path));

function placeholders(text: string): string[] {
  return [...text.matchAll(/{{(\w+)}}/g)].map((found) => found[1] ?? "").sort();
}

describe("the two catalogues", () => {
  it("say nothing twice: no section stands in two parts", () => {
    const sections = [en, accountEn, consolesEn, entranceEn].flatMap((part) => Object.keys(part));
    expect(sections.filter((section, at) => sections.indexOf(section) !== at)).toEqual([]);
  });

  it("have the same keys", () => {
    expect([...korean.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it("leave nothing empty and fill in the same values", () => {
    for (const [key, text] of korean) {
      expect(text.trim(), key).not.toBe("");
      expect(placeholders(text), key).toEqual(placeholders(english.get(key) ?? ""));
    }
  });

  it("have every key that a screen asks for", () => {
    for (const [path, source] of screens) {
      for (const [, key = ""] of source.matchAll(/\bt\("([\w.]+)"/g)) expect(english.has(key) || english.has(`${key}_other`), `${path}: ${key}`).toBe(true);
    }
  });

  it("hold every word on the screens: no Korean outside of them but the languages' own names", () => {
    for (const [path, source] of screens) {
      const words = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "").match(/[가-힣]+/g) ?? [];
      expect(words.filter((word) => word !== "한국어"), path).toEqual([]);
    }
  });

  it("say something for every code that reaches a person", () => {
    for (const code of ["invalid_credentials", "session_busy", "question_too_long", "document_encrypted", "model_unreachable", "attempts_exhausted", "agent_failed", "network"]) {
      expect(english.has(`errors.${code}`), code).toBe(true);
    }
  });
});
