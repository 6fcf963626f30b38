import { api } from "@/kernel/api/client";
import { language } from "@/kernel/i18n";

async function done(call: Promise<unknown>): Promise<void> {
  await call;
}

/** Asks for a mail with which one can set a new password. It is not told whether there is such an account. */
export const askForReset = (email: string) => done(api.POST("/api/v1/auth/password/forgot", { body: { email, language: language() } }));

/** Sets a new password with the token of such a mail; ends every sign-in of the account. */
export const resetPassword = (token: string, password: string, ends_other_ways: boolean) => done(api.POST("/api/v1/auth/password/reset", { body: { token, password, ends_other_ways } }));

/** Asks for another mail with which one confirms the address. It is not told whether there is such an account. */
export const askForVerification = (email: string) => done(api.POST("/api/v1/auth/verify-email/request", { body: { email, language: language() } }));

/** Confirms an address, or changes to it, with the token of such a mail. */
export const verifyEmail = (token: string) => done(api.POST("/api/v1/auth/verify-email", { body: { token } }));

/** Changes one's own password; every other sign-in ends. An empty one is for those who had none. */
export const changePassword = ({ current, next, ends }: { current: string; next: string; ends: boolean }) =>
  done(api.PUT("/api/v1/users/me/password", { body: { ...(current === "" ? {} : { current_password: current }), new_password: next, ends_other_ways: ends } }));

/** Whether a link of a mail is of no use any more. */
export const isUsedUp = (code: string) => code === "link_invalid";
