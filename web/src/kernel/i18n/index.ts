import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type en from "./en.json";

export type Language = "ko" | "en";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
    enableSelector: false;
  }
}

const KEY = "madang.language";
const catalogues = { ko: () => import("./ko.json"), en: () => import("./en.json") };

function remembered(): Language {
  const kept = localStorage.getItem(KEY);
  if (kept === "ko" || kept === "en") return kept;
  return navigator.languages.some((tag) => tag.startsWith("ko")) ? "ko" : "en";
}

async function load(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, "translation")) {
    i18next.addResourceBundle(language, "translation", (await catalogues[language]()).default);
  }
}

function announce(language: Language): void {
  document.documentElement.lang = language;
  document.title = i18next.t("brand");
}

/** Starts with the language of this browser; only that catalogue is fetched. */
export async function startLanguage(): Promise<void> {
  const language = remembered();
  await i18next.use(initReactI18next).init({ lng: language, resources: {}, interpolation: { escapeValue: false }, returnNull: false });
  await load(language);
  await i18next.changeLanguage(language);
  announce(language);
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
