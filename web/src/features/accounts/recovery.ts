import { authorisedFetch } from "@/kernel/api/client";
import { Problem } from "@/kernel/api/problem";

async function send(method: string, path: string, payload: object): Promise<void> {
  const response = await authorisedFetch(new Request(`${location.origin}/api/v1${path}`, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(payload) }));
  if (!response.ok) throw await Problem.from(response);
}

/** Asks for a mail with which one can set a new password. It is not told whether there is such an account. */
export const askForReset = (email: string) => send("POST", "/auth/password/forgot", { email });

/** Sets a new password with the token of such a mail; ends every sign-in of the account. */
export const resetPassword = (token: string, password: string) => send("POST", "/auth/password/reset", { token, password });

/** Asks for another mail with which one confirms the address. It is not told whether there is such an account. */
export const askForVerification = (email: string) => send("POST", "/auth/verify-email/request", { email });

/** Confirms an address with the token of such a mail. */
export const verifyEmail = (token: string) => send("POST", "/auth/verify-email", { token });

/** Changes one's own password; every other sign-in ends. An empty one is for those who had none. */
export const changePassword = ({ current, next }: { current: string; next: string }) => send("PUT", "/users/me/password", { ...(current === "" ? {} : { current_password: current }), new_password: next });
