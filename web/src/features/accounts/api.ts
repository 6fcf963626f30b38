import { useMutation, useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { chooseLanguage } from "@/kernel/i18n";
import { queries } from "@/kernel/query";
import { chooseTheme } from "@/kernel/theme";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Preferences = Json<paths["/api/v1/users/me/preferences"]["get"]["responses"][200]>;

const DEFAULTS: Preferences = { language: null, theme: "system", model: null };

export function usePreferences() {
  return useQuery({ queryKey: ["preferences"], queryFn: loadPreferences, staleTime: Infinity });
}

/** What this account chose before wins over what this browser remembers. */
async function loadPreferences(): Promise<Preferences> {
  const kept = await body(api.GET("/api/v1/users/me/preferences"));
  if (kept.language) await chooseLanguage(kept.language);
  if (kept.theme) chooseTheme(kept.theme);
  return kept;
}

/** Applies at once, keeps on the server, and takes it back when the server refuses. */
export function useChoose() {
  return useMutation({
    mutationFn: async (change: Partial<Preferences>) => {
      const before = queries.getQueryData<Preferences>(["preferences"]) ?? DEFAULTS;
      const after = { ...before, ...change };
      queries.setQueryData(["preferences"], after);
      if (change.theme !== undefined) chooseTheme(change.theme);
      if (change.language) await chooseLanguage(change.language);
      try {
        await body(api.PUT("/api/v1/users/me/preferences", { body: after }));
      } catch (error) {
        queries.setQueryData(["preferences"], before);
        throw error;
      }
    },
  });
}
