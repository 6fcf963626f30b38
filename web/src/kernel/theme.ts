import { createStore } from "@/kernel/store";

export type Theme = "light" | "dark" | "system";

const KEY = "madang.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export const theme = createStore<Theme>(remembered());

function remembered(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

function paint(): void {
  const chosen = theme.get();
  document.documentElement.dataset["theme"] = chosen === "dark" || (chosen === "system" && dark.matches) ? "dark" : "light";
}

export function chooseTheme(value: Theme): void {
  localStorage.setItem(KEY, value);
  theme.set(value);
  paint();
}

dark.addEventListener("change", paint);
paint();
