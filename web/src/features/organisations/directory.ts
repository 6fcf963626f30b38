import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { useDeed } from "@/kernel/deed";
import type { Role, Scope } from "./api";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Token = Json<paths["/api/v1/scopes/{scope_id}/scim-tokens"]["get"]["responses"][200]>[number];
export type NewToken = Json<paths["/api/v1/scopes/{scope_id}/scim-tokens"]["post"]["responses"][201]>;
export type Group = Json<paths["/api/v1/scopes/{scope_id}/scim-groups"]["get"]["responses"][200]>[number];

const at = (scope_id: string) => ({ params: { path: { scope_id } } });

export function useTokens(id: string) {
  return useQuery({ queryKey: ["scopes", id, "scim-tokens"], queryFn: () => body(api.GET("/api/v1/scopes/{scope_id}/scim-tokens", at(id))) });
}

/** The token itself is shown only in this answer. */
export function useMakeToken(id: string) {
  return useDeed((wish: { name: string; expires_in_days: number | null }) => body(api.POST("/api/v1/scopes/{scope_id}/scim-tokens", { ...at(id), body: wish })), [["scopes", id, "scim-tokens"]], { quiet: true });
}

export function useEndToken(id: string) {
  return useDeed((token_id: string) => body(api.DELETE("/api/v1/scopes/{scope_id}/scim-tokens/{token_id}", { params: { path: { scope_id: id, token_id } } })), [["scopes", id, "scim-tokens"]]);
}

export function useGroups(id: string) {
  return useQuery({ queryKey: ["scopes", id, "scim-groups"], queryFn: () => body(api.GET("/api/v1/scopes/{scope_id}/scim-groups", at(id))) });
}

/** Lets a group give a role somewhere, or with null none. */
export function useMapGroup(id: string, group_id: string) {
  return useDeed(
    (given: { scope_id: string; role: Role } | null) => body(api.PUT("/api/v1/scopes/{scope_id}/scim-groups/{group_id}", { params: { path: { scope_id: id, group_id } }, body: given ?? { scope_id: null, role: null } })),
    [["scopes", id]],
    { quiet: true },
  );
}

/** Everything directly beneath a scope, for choosing one: all pages of it. */
export function useAllChildren(id: string | null) {
  return useQuery({
    queryKey: ["scopes", id, "all children"],
    enabled: id !== null,
    queryFn: async () => {
      const all: Scope[] = [];
      let cursor: string | null | undefined = null;
      do {
        const query: { limit: number; cursor?: string } = { limit: 100, ...(cursor ? { cursor } : {}) };
        const page: { items: Scope[]; next_cursor?: string | null } = await body(api.GET("/api/v1/scopes/{scope_id}/children", { params: { path: { scope_id: id ?? "" }, query } }));
        all.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor);
      return all;
    },
  });
}
