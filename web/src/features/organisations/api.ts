import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { useDeed } from "@/kernel/deed";
import { given, usePages } from "@/kernel/pages";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Scope = Json<paths["/api/v1/scopes/{scope_id}"]["get"]["responses"][200]>;
export type Member = Json<paths["/api/v1/scopes/{scope_id}/members"]["get"]["responses"][200]>["items"][number];
export type Invite = Json<paths["/api/v1/scopes/{scope_id}/invites"]["get"]["responses"][200]>["items"][number];
export type NewInvite = Json<paths["/api/v1/scopes/{scope_id}/invites"]["post"]["responses"][201]>;
export type InviteWish = NonNullable<paths["/api/v1/scopes/{scope_id}/invites"]["post"]["requestBody"]>["content"]["application/json"];
export type Membership = Json<paths["/api/v1/users/me/memberships"]["get"]["responses"][200]>["items"][number];
export type Role = Member["role"];
export type Kind = Scope["kind"];
export type Permission = Scope["permissions"][number];

const at = (scope_id: string) => ({ params: { path: { scope_id } } });

export function useMemberships() {
  return useQuery({ queryKey: ["memberships"], staleTime: 60_000, queryFn: async () => (await body(api.GET("/api/v1/users/me/memberships"))).items });
}

export function useOrganisations(q: string) {
  return usePages(["organisations", q], (cursor) => body(api.GET("/api/v1/organisations/", { params: { query: given({ q, cursor }) } })));
}

export function useScope(id: string) {
  return useQuery({ queryKey: ["scopes", id], queryFn: () => body(api.GET("/api/v1/scopes/{scope_id}", at(id))) });
}

export function useChildren(id: string) {
  return usePages(["scopes", id, "children"], (cursor) => body(api.GET("/api/v1/scopes/{scope_id}/children", { params: { path: { scope_id: id }, query: given({ cursor }) } })));
}

/** What was deleted and can still be restored: organisations, or with a parent what lay beneath it. */
export function useDeleted(parent: string | null) {
  return usePages<Scope>(parent === null ? ["organisations", "deleted"] : ["scopes", parent, "deleted"], (cursor) => {
    const query = { deleted: true, ...given({ cursor }) };
    if (parent === null) return body(api.GET("/api/v1/organisations/", { params: { query } }));
    return body(api.GET("/api/v1/scopes/{scope_id}/children", { params: { path: { scope_id: parent }, query } }));
  });
}

export function useMembers(id: string, q: string, role: Role | null) {
  return usePages(["scopes", id, "members", q, role], (cursor) => body(api.GET("/api/v1/scopes/{scope_id}/members", { params: { path: { scope_id: id }, query: given({ q, role, cursor }) } })));
}

export function useInvites(id: string) {
  return usePages(["scopes", id, "invites"], (cursor) => body(api.GET("/api/v1/scopes/{scope_id}/invites", { params: { path: { scope_id: id }, query: given({ cursor }) } })));
}

const PLACES = [["scopes"], ["organisations"], ["memberships"]];

export function useFound() {
  return useDeed((wish: { name: string; owner_email?: string }) => body(api.POST("/api/v1/organisations/", { body: wish })), PLACES, { quiet: true });
}

export function useAddChild(id: string) {
  return useDeed((wish: { kind: "partner" | "class"; name: string }) => body(api.POST("/api/v1/scopes/{scope_id}/children", { ...at(id), body: wish })), PLACES, { quiet: true });
}

export function useRename(id: string) {
  return useDeed((name: string) => body(api.PUT("/api/v1/scopes/{scope_id}", { ...at(id), body: { name } })), PLACES, { quiet: true });
}

type Turn = "suspend" | "resume" | "restore" | "delete";

/** Suspends, resumes, deletes (with a time to think again) and restores a scope. */
export function useTurn() {
  return useDeed(async ({ id, turn }: { id: string; turn: Turn }) => {
    if (turn === "suspend") await body(api.POST("/api/v1/scopes/{scope_id}/suspend", at(id)));
    else if (turn === "resume") await body(api.POST("/api/v1/scopes/{scope_id}/resume", at(id)));
    else if (turn === "restore") await body(api.POST("/api/v1/scopes/{scope_id}/restore", at(id)));
    else await body(api.DELETE("/api/v1/scopes/{scope_id}", at(id)));
  }, PLACES);
}

export function useChangeMember(id: string) {
  return useDeed(
    ({ member, ...change }: { member: string; role?: Role; status?: Member["status"] }) => body(api.PUT("/api/v1/scopes/{scope_id}/members/{member_id}", { params: { path: { scope_id: id, member_id: member } }, body: change })),
    [["scopes", id]],
  );
}

export function useRemoveMember(id: string) {
  return useDeed((member: string) => body(api.DELETE("/api/v1/scopes/{scope_id}/members/{member_id}", { params: { path: { scope_id: id, member_id: member } } })), [["scopes", id]]);
}

export function useTransfer(id: string) {
  return useDeed((member_id: string) => body(api.POST("/api/v1/scopes/{scope_id}/transfer", { ...at(id), body: { member_id } })), PLACES);
}

export function useLeave() {
  return useDeed((id: string) => body(api.POST("/api/v1/scopes/{scope_id}/leave", at(id))), PLACES);
}

export function useInvite(id: string) {
  return useDeed((wish: InviteWish) => body(api.POST("/api/v1/scopes/{scope_id}/invites", { ...at(id), body: wish })), [["scopes", id, "invites"]], { quiet: true });
}

/** A new code for the same invite, sent again when it is for one person; the old code ends. */
export function useResend(id: string) {
  return useDeed(
    (invite_id: string) => body(api.POST("/api/v1/scopes/{scope_id}/invites/{invite_id}/resend", { params: { path: { scope_id: id, invite_id } }, body: { expires_in_days: 14 } })),
    [["scopes", id, "invites"]],
  );
}

export function useWithdraw(id: string) {
  return useDeed((invite_id: string) => body(api.DELETE("/api/v1/scopes/{scope_id}/invites/{invite_id}", { params: { path: { scope_id: id, invite_id } } })), [["scopes", id, "invites"]]);
}
