import { useQuery } from "@tanstack/react-query";
import { usePreferences } from "@/features/accounts/public";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Model = Json<paths["/api/v1/models"]["get"]["responses"][200]>["items"][number];

export function useModels() {
  return useQuery({ queryKey: ["models"], queryFn: () => body(api.GET("/api/v1/models")), staleTime: 60_000 });
}

/** The model that the next question goes to: the chosen one while it is there, else the server's default. */
export function useChosenModel(): { model: Model | undefined; chosen: string | null } {
  const models = useModels().data;
  const wanted = usePreferences().data?.model ?? null;
  const available = models?.items.find((one) => one.id === wanted && one.available);
  return { model: available ?? models?.items.find((one) => one.id === models.default), chosen: available ? available.id : null };
}

/** True when the named model is one of the small ones that come with Madang; no model is none. */
export function useIsBuiltIn(id: string | null): boolean {
  const models = useModels().data;
  const named = models?.items.find((one) => one.id === id);
  return named?.built_in ?? id?.startsWith("local/") ?? false;
}
