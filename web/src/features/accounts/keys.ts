import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { useDeed } from "@/kernel/deed";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type ApiKey = Json<paths["/api/v1/users/me/keys"]["get"]["responses"][200]>["items"][number];
export type NewKey = Json<paths["/api/v1/users/me/keys"]["post"]["responses"][201]>;
export type KeyWish = NonNullable<paths["/api/v1/users/me/keys"]["post"]["requestBody"]>["content"]["application/json"];

/** What of a part of the API a key may do. */
export type Reach = "nothing" | "read" | "write";

export function useKeys() {
  return useQuery({ queryKey: ["keys"], queryFn: async () => (await body(api.GET("/api/v1/users/me/keys"))).items });
}

export function usePermissions() {
  return useQuery({ queryKey: ["keys", "permissions"], staleTime: Infinity, queryFn: async () => (await body(api.GET("/api/v1/users/me/keys/permissions"))).permissions });
}

/** The key itself is shown only in this answer. */
export function useMakeKey() {
  return useDeed((wish: KeyWish) => body(api.POST("/api/v1/users/me/keys", { body: wish })), [["keys"]], { quiet: true });
}

export function useRemoveKey() {
  return useDeed((key_id: string) => body(api.DELETE("/api/v1/users/me/keys/{key_id}", { params: { path: { key_id } } })), [["keys"]]);
}

/** The parts of the API that permissions speak of, each with whether one can write there: `chat:read` is of `chat`. */
export function partsOf(permissions: readonly string[]): Map<string, { reads: boolean; writes: boolean }> {
  const parts = new Map<string, { reads: boolean; writes: boolean }>();
  for (const one of permissions) {
    const [part = "", what] = one.split(":");
    const before = parts.get(part) ?? { reads: false, writes: false };
    parts.set(part, { reads: before.reads || what === "read", writes: before.writes || what !== "read" });
  }
  return parts;
}

/** The permissions that make up what was chosen for each part; whoever writes may read as well. */
export function chosen(permissions: readonly string[], reach: Readonly<Record<string, Reach>>): string[] {
  return permissions.filter((one) => {
    const [part = "", what] = one.split(":");
    const wanted = reach[part] ?? "nothing";
    return wanted === "write" || (wanted === "read" && what === "read");
  });
}
