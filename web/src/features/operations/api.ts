import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { renewUser } from "@/kernel/auth";
import { useDeed } from "@/kernel/deed";
import { given, usePages } from "@/kernel/pages";
import { momentsOf, type Period } from "@/kernel/period";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Person = Json<paths["/api/v1/users/"]["get"]["responses"][200]>["items"][number];
export type RegistrationInvite = Json<paths["/api/v1/auth/invites"]["get"]["responses"][200]>["items"][number];
export type AuditEntry = Json<paths["/api/v1/audit/"]["get"]["responses"][200]>["items"][number];

export interface AuditFilter {
  scope_id: string | null;
  actor_id: string | null;
  action: string;
  q: string;
  period: Period;
}

export function useHealth() {
  return useQuery({ queryKey: ["health"], refetchInterval: 30_000, queryFn: () => body(api.GET("/health")) });
}

export function usePeople(q: string) {
  return usePages(["people", q], (cursor) => body(api.GET("/api/v1/users/", { params: { query: given({ q, cursor }) } })));
}

const person = (user_id: string) => ({ params: { path: { user_id } } });
const PEOPLE = [["people"]];

export function useDisable() {
  return useDeed(({ id, name, is_disabled }: { id: string; name: string; is_disabled: boolean }) => body(api.PUT("/api/v1/users/{user_id}", { ...person(id), body: { name, is_disabled } })), PEOPLE);
}

export function useDeletePerson() {
  return useDeed((id: string) => body(api.DELETE("/api/v1/users/{user_id}", person(id))), PEOPLE);
}

export function useRestorePerson() {
  return useDeed((id: string) => body(api.POST("/api/v1/users/{user_id}/restore", person(id))), PEOPLE);
}

/** Asks for the supervisor's own password; who has none sends none, and must have signed in just now. */
const sure = (password: string) => (password === "" ? {} : { password });

/** Makes somebody a supervisor, or an ordinary user again. */
export function useSupervise() {
  return useDeed(
    // One's own screens follow when it is oneself.
    async ({ id, role, password }: { id: string; role: Person["role"]; password: string }) => renewUser(await body(api.PUT("/api/v1/users/{user_id}/role", { ...person(id), body: { role, ...sure(password) } }))),
    PEOPLE,
    { quiet: true },
  );
}

export function useResetFactors() {
  return useDeed(({ id, password }: { id: string; password: string }) => body(api.DELETE("/api/v1/users/{user_id}/second-factors", { ...person(id), body: sure(password) })), PEOPLE, { quiet: true });
}

export function useEndSignIns() {
  return useDeed((id: string) => body(api.DELETE("/api/v1/users/{user_id}/sessions", person(id))), []);
}

/** Has the link with which somebody chooses another password mailed to them. */
export function useSendLetter() {
  return useDeed((id: string) => body(api.POST("/api/v1/users/{user_id}/password-letter", person(id))), []);
}

export function useRegistrationInvites() {
  return usePages(["invites", "all"], (cursor) => body(api.GET("/api/v1/auth/invites", { params: { query: given({ cursor }) } })));
}

export function useMakeRegistrationInvite() {
  return useDeed((wish: { note: string; max_uses: number; expires_in_days: number }) => body(api.POST("/api/v1/auth/invites", { body: wish })), [["invites"]], { quiet: true });
}

export function useWithdrawRegistrationInvite() {
  return useDeed((invite_id: string) => body(api.DELETE("/api/v1/auth/invites/{invite_id}", { params: { path: { invite_id } } })), [["invites"]]);
}

const asked = ({ period, ...rest }: AuditFilter) => given({ ...rest, ...momentsOf(period) });

export function useAudit(filter: AuditFilter) {
  return usePages(["audit", filter], (cursor) => body(api.GET("/api/v1/audit/", { params: { query: { ...asked(filter), ...given({ cursor }) } } })));
}

export function useExportAudit() {
  return useDeed(({ filter, format }: { filter: AuditFilter; format: "csv" | "jsonl" }) => body(api.GET("/api/v1/audit/export", { params: { query: { ...asked(filter), format } }, parseAs: "blob" }) as Promise<{ data?: Blob }>), []);
}
