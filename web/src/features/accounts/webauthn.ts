import { Problem } from "@/kernel/api/problem";

type Credential = Record<string, unknown>;

/** Whether this browser can use passkeys here at all: only over TLS and on localhost, and never at an address of numbers. */
export const hasPasskeys = "PublicKeyCredential" in globalThis && "parseRequestOptionsFromJSON" in PublicKeyCredential && !/^[\d.]+$|:/.test(location.hostname);

/** Lets the person answer with one of their passkeys; null when they turned away. Throws `Problem` (passkey_refused). */
export async function askPasskey(options: Record<string, unknown>): Promise<Credential | null> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  return answered(() => navigator.credentials.get({ publicKey }));
}

/** Lets the person make a passkey; null when they turned away. Throws `Problem` (passkey_known, passkey_refused). */
export async function makePasskey(options: Record<string, unknown>): Promise<Credential | null> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  return answered(() => navigator.credentials.create({ publicKey }));
}

async function answered(ask: () => Promise<unknown>): Promise<Credential | null> {
  try {
    const credential = await ask();
    return credential instanceof PublicKeyCredential ? (credential.toJSON() as Credential) : null;
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError" || name === "AbortError") return null;
    throw new Problem(409, name === "InvalidStateError" ? "passkey_known" : "passkey_refused", String(error));
  }
}
