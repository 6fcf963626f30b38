import { useQuery } from "@tanstack/react-query";
import { api, authorisedFetch, body } from "@/kernel/api/client";
import { Problem } from "@/kernel/api/problem";
import type { paths } from "@/kernel/api/schema";
import { renewUser } from "@/kernel/auth";
import { useDeed } from "@/kernel/deed";
import { saveFile } from "@/kernel/download";
import { language } from "@/kernel/i18n";
import { changePassword } from "./recovery";
import { makePasskey } from "./webauthn";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type SecondFactors = Json<paths["/api/v1/users/me/second-factors"]["get"]["responses"][200]>;
export type Passkey = SecondFactors["passkeys"][number];
export type Enrolment = Json<paths["/api/v1/users/me/totp"]["post"]["responses"][201]>;
export type Identity = Json<paths["/api/v1/users/me/identities"]["get"]["responses"][200]>[number];
export interface Device {
  id: string;
  address: string;
  user_agent: string;
  created_at: string;
  last_seen_at: string;
  is_current: boolean;
}

/** What is sent for a password that was left empty: nothing, for those who have none. */
const given = (password: string) => (password === "" ? {} : { password });

export function useSecondFactors() {
  return useQuery({ queryKey: ["second-factors"], queryFn: () => body(api.GET("/api/v1/users/me/second-factors")) });
}

const FACTORS = [["second-factors"]];

export function useBeginTotp() {
  return useDeed((password: string) => body(api.POST("/api/v1/users/me/totp", { body: given(password) })), [], { quiet: true });
}

/** Its recovery codes are shown only in this answer. */
export function useConfirmTotp() {
  return useDeed(async (code: string) => (await body(api.POST("/api/v1/users/me/totp/confirm", { body: { code } }))).recovery_codes, FACTORS, { quiet: true });
}

export function useEndTotp() {
  return useDeed((password: string) => body(api.DELETE("/api/v1/users/me/totp", { body: given(password) })), FACTORS, { quiet: true });
}

/** The new codes are shown only in this answer. */
export function useRenewCodes() {
  return useDeed(async (password: string) => (await body(api.POST("/api/v1/users/me/recovery-codes", { body: given(password) }))).recovery_codes, FACTORS, { quiet: true });
}

/** Makes a passkey of this device; null when the person turned away. */
export function useAddPasskey() {
  return useDeed(
    async ({ name, password }: { name: string; password: string }) => {
      const { options } = await body(api.POST("/api/v1/users/me/passkeys/options", { body: given(password) }));
      const credential = await makePasskey(options);
      if (credential === null) return null;
      return body(api.POST("/api/v1/users/me/passkeys", { body: { name, credential: credential as never } }));
    },
    FACTORS,
    { quiet: true },
  );
}

const at = (passkey_id: string) => ({ params: { path: { passkey_id } } });

export function useRenamePasskey(id: string) {
  return useDeed((name: string) => body(api.PUT("/api/v1/users/me/passkeys/{passkey_id}", { ...at(id), body: { name } })), FACTORS, { quiet: true });
}

export function useRemovePasskey() {
  return useDeed((id: string) => body(api.DELETE("/api/v1/users/me/passkeys/{passkey_id}", at(id))), FACTORS);
}

export function useChangePassword() {
  return useDeed(changePassword, [["devices"]], { quiet: true });
}

async function sessions<T>(method: "GET" | "DELETE", id = ""): Promise<T> {
  const response = await authorisedFetch(new Request(`${location.origin}/api/v1/auth/sessions/${id}`, { method }));
  if (!response.ok) throw await Problem.from(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export function useDevices() {
  return useQuery({ queryKey: ["devices"], queryFn: async () => (await sessions<{ items: Device[] }>("GET")).items });
}

/** Ends one sign-in, or with null all but this one. */
export function useEndDevice() {
  return useDeed((id: string | null) => sessions("DELETE", id ?? ""), [["devices"]]);
}

export function useIdentities() {
  return useQuery({ queryKey: ["identities"], queryFn: () => body(api.GET("/api/v1/users/me/identities")) });
}

/** Goes to a provider to connect an account there; one comes back to this page. */
export function useConnect() {
  return useDeed(async (provider: string) => {
    const { url } = await body(api.POST("/api/v1/users/me/identities", { body: { provider, return_to: location.pathname } }));
    location.assign(url);
  }, []);
}

export function useDisconnect() {
  return useDeed((identity_id: string) => body(api.DELETE("/api/v1/users/me/identities/{identity_id}", { params: { path: { identity_id } } })), [["identities"]]);
}

export function useChangeName(user_id: string) {
  return useDeed(async (name: string) => renewUser(await body(api.PUT("/api/v1/users/{user_id}", { params: { path: { user_id } }, body: { name } }))), [], { quiet: true });
}

/** Has one's address changed; with the answer it is changed already, or a mail is on its way to the new one. */
export function useChangeEmail() {
  return useDeed(
    async ({ email, password }: { email: string; password: string }) => {
      const user = await body(api.PUT("/api/v1/users/me/email", { body: { email, ...given(password), language: language() } }));
      renewUser(user);
      return user;
    },
    [],
    { quiet: true },
  );
}

/** Fetches everything of one's own as a ZIP file into the downloads. */
export function useExport() {
  return useDeed(async (name: string) => {
    const response = await authorisedFetch(new Request(`${location.origin}/api/v1/users/me/export`));
    if (!response.ok) throw await Problem.from(response);
    saveFile(name, await response.blob());
  }, []);
}

/** Orders the deletion of one's own account, which signs one out everywhere. */
export function useLeaveHouse(user_id: string) {
  return useDeed((password: string) => body(api.DELETE("/api/v1/users/{user_id}", { params: { path: { user_id } }, body: given(password) })), [], { quiet: true });
}
