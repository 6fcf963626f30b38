import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import { codeOf } from "@/kernel/api/problem";
import type { paths } from "@/kernel/api/schema";
import { enter, signIn } from "@/kernel/auth";
import { language } from "@/kernel/i18n";
import { queries } from "@/kernel/query";
import { askPasskey } from "./webauthn";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Setup = Json<paths["/api/v1/auth/setup"]["get"]["responses"][200]>;
export type Registration = Setup["registration"];
type NewAccount = NonNullable<paths["/api/v1/auth/register"]["post"]["requestBody"]>["content"]["application/json"];

/** What a visitor may do here. */
export function useSetup() {
  return useQuery({ queryKey: ["setup"], queryFn: () => body(api.GET("/api/v1/auth/setup")), staleTime: 0 });
}

/** A new account's address has to be proved first, or it was taken, which nobody is told but its owner by mail. */
const UNPROVED = new Set(["email_unverified", "invalid_credentials"]);

/** Makes an account and signs in with it; false when a link of a mail has to be opened first. Throws the refusal of either. */
export async function register(account: NewAccount): Promise<boolean> {
  await body(api.POST("/api/v1/auth/register", { body: { ...account, language: language() } }));
  try {
    await signIn(account.email, account.password);
  } catch (error) {
    if (!UNPROVED.has(codeOf(error))) throw error;
    return false;
  }
  await queries.invalidateQueries({ queryKey: ["setup"] });
  return true;
}

/** Signs in with a passkey alone. False: the person turned away. */
export async function enterByPasskey(): Promise<boolean> {
  const asked = await body(api.POST("/api/v1/auth/passkey/options", { body: {} }));
  const credential = await askPasskey(asked.options);
  if (credential === null) return false;
  await enter("passkey", { challenge: asked.challenge, credential });
  return true;
}

/** Gives a passkey as the second proof after the password. False: the person turned away. */
export async function confirmByPasskey(login: string): Promise<boolean> {
  const { challenge, options } = await body(api.POST("/api/v1/auth/passkey/options", { body: { challenge: login } }));
  const credential = await askPasskey(options);
  if (credential === null) return false;
  await enter("login/second-factor", { challenge, method: "passkey", credential });
  return true;
}

/** Gives a code as the second proof after the password. */
export function confirmByCode(challenge: string, method: "totp" | "recovery_code", code: string): Promise<void> {
  return enter("login/second-factor", { challenge, method, code });
}

/** Keeps an account that was about to be deleted, and signs in. */
export async function stay(email: string, password: string): Promise<void> {
  await body(api.POST("/api/v1/auth/restore", { body: { email, password } }));
  await signIn(email, password);
}
