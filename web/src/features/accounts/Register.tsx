import { useTranslation } from "react-i18next";
import { AccountForm, type Fields, type Values } from "./AccountForm";
import { register, type Registration } from "./entering";
import { Heading } from "./Frame";

interface RegisterProps {
  registration: Registration;
  title: string;
  lead?: string;
  /** A code that one brings along and need not enter. */
  code?: string;
  /** The account is there, but the address has to be confirmed before one can sign in. */
  onUnverified: (email: string) => void;
}

/** Making an account, by the house's rule of who may. */
export function Register({ registration, title, lead, code, onUnverified }: RegisterProps) {
  const { t } = useTranslation();
  const asks = registration === "invite" && code === undefined;
  const fields: Fields[] = asks ? ["invite", "name", "email", "password"] : ["name", "email", "password"];
  const said = { open: lead, invite: asks ? t("auth.inviteNeeded") : lead, closed: t("auth.closed") }[registration];
  return (
    <>
      <Heading title={title} {...(said === undefined ? {} : { lead: said })} />
      {registration !== "closed" && <AccountForm fresh fields={fields} submit={t("auth.register")} onSubmit={(values) => makeAccount(values, code, onUnverified)} />}
    </>
  );
}

export async function makeAccount({ name, email, password, invite, setup }: Values, code: string | undefined, onUnverified: (email: string) => void): Promise<void> {
  const invite_code = code ?? invite;
  if (!(await register({ name, email, password, ...(invite_code ? { invite_code } : {}), ...(setup ? { setup_token: setup } : {}) }))) onUnverified(email);
}
