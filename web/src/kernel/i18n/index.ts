import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type account from "./account.en.json";
import type consoles from "./consoles.en.json";
import type en from "./en.json";
import type entrance from "./entrance.en.json";
import { withParticles } from "./particles";

export type Language = "ko" | "en";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en & typeof account & typeof consoles & typeof entrance };
    enableSelector: false;
  }
}

const KEY = "madang.language";
const catalogues = { ko: () => import("./ko.json"), en: () => import("./en.json") };
/** The words of screens that few open; they come with the screens. */
const parts = {
  account: { ko: () => import("./account.ko.json"), en: () => import("./account.en.json") },
  consoles: { ko: () => import("./consoles.ko.json"), en: () => import("./consoles.en.json") },
  entrance: { ko: () => import("./entrance.ko.json"), en: () => import("./entrance.en.json") },
};
const wanted = new Set<keyof typeof parts>();

function remembered(): Language {
  const kept = localStorage.getItem(KEY);
  if (kept === "ko" || kept === "en") return kept;
  return navigator.languages.some((tag) => tag.startsWith("ko")) ? "ko" : "en";
}

/** The language of the screens now. */
export function language(): Language {
  return i18next.language === "ko" ? "ko" : "en";
}

async function load(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, "translation")) {
    i18next.addResourceBundle(language, "translation", (await catalogues[language]()).default);
  }
  for (const part of wanted) {
    const words = (await parts[part][language]()).default;
    i18next.addResourceBundle(language, "translation", words, true);
  }
}

/** Brings a part of the catalogue, in this language now and in every later one. */
export async function bringWords(part: keyof typeof parts): Promise<void> {
  wanted.add(part);
  await load(language());
}

function announce(language: Language): void {
  document.documentElement.lang = language;
}

/** Starts with the language of this browser; only that catalogue is fetched. */
export async function startLanguage(): Promise<void> {
  const language = remembered();
  await i18next
    .use(initReactI18next)
    .use({ type: "postProcessor", name: "particles", process: (text: string) => (i18next.language === "ko" ? withParticles(text) : text) })
    .init({ lng: language, resources: {}, interpolation: { escapeValue: false }, postProcess: "particles", returnNull: false });
  await load(language);
  await i18next.changeLanguage(language);
  announce(language);
  document.title = i18next.t("brand");
}

/** Switches in place and remembers it for this browser. */
export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await load(language);
  await i18next.changeLanguage(language);
  announce(language);
}

// Codes come from the server, so their keys are not known to the compiler.
const has = i18next.exists.bind(i18next) as unknown as (key: string) => boolean;
const say = i18next.t.bind(i18next) as unknown as (key: string) => string;

/** What to say about a refusal: the catalogue's words for its code, or the general ones with the code named. */
export function sayError(code: string): string {
  const key = `errors.${code}`;
  return has(key) ? say(key) : i18next.t("errors.unknown", { code });
}

/** The catalogue's words for a name that comes from the server, or that name itself where there are none yet. */
export function sayName(section: string, name: string): string {
  const key = `${section}.${name}`;
  return has(key) ? say(key) : name;
}
