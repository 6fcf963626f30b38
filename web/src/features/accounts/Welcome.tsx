import { type SyntheticEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { signIn } from "@/kernel/auth";
import { chooseLanguage, sayError } from "@/kernel/i18n";
import { Button, Field, Icon, Mark } from "@/kernel/ui";
import { queries } from "@/kernel/query";
import { register, type Registration, useSetup } from "./api";

type Fields = "name" | "email" | "password" | "invite";
type Values = Record<Fields, string>;
type Faults = Partial<Record<Fields, string>>;

/** Everything somebody meets who is not signed in: the first run, signing in, registering. */
export function Welcome() {
  const setup = useSetup();
  const [mode, setMode] = useState<"in" | "new">(location.pathname === "/register" ? "new" : "in");
  if (!setup.data) return null;
  if (setup.data.first_run) return <FirstRun />;
  return mode === "in" ? <SignIn registration={setup.data.registration} onRegister={() => setMode("new")} /> : <Register registration={setup.data.registration} onSignIn={() => setMode("in")} />;
}

function Frame({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  const { t, i18n } = useTranslation();
  const other = i18n.language === "ko" ? "en" : "ko";
  return (
    <div className="flex min-h-full flex-col px-5">
      <header className="mx-auto flex w-full max-w-page items-center justify-between py-5">
        <span className="flex items-center gap-3 text-lg font-semibold">
          <Mark />
          {t("brand")}
        </span>
        <Button kind="quiet" lang={other} onClick={() => void chooseLanguage(other)}>
          {other === "ko" ? "한국어" : "English"}
        </Button>
      </header>
      <main className="mx-auto flex w-full max-w-form flex-1 animate-rise flex-col justify-center gap-6 pt-4 pb-24">
        <div className="flex flex-col gap-2">
          <h1 className="text-2xl font-semibold">{title}</h1>
          {lead !== undefined && <p className="text-ink-2">{lead}</p>}
        </div>
        {children}
      </main>
    </div>
  );
}

interface AccountFormProps {
  fields: readonly Fields[];
  submit: string;
  onSubmit: (values: Values) => Promise<void>;
}

const AUTOCOMPLETE: Record<Fields, string> = { name: "name", email: "username", password: "current-password", invite: "off" };
const MISSING = { name: "auth.nameNeeded", email: "auth.emailNeeded", password: "auth.passwordNeeded", invite: "auth.inviteMissing" } as const;
const BELONGS: Record<string, Fields> = {
  email_taken: "email",
  email_malformed: "email",
  password_length: "password",
  password_common: "password",
  invite_required: "invite",
  invite_invalid: "invite",
};

function AccountForm({ fields, submit, onSubmit }: AccountFormProps) {
  const { t } = useTranslation();
  const [values, setValues] = useState<Values>(() => ({ name: "", email: "", password: "", invite: new URLSearchParams(location.search).get("invite") ?? "" }));
  const [faults, setFaults] = useState<Faults>({});
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const fresh = fields.length > 2;

  const send = async (event: SyntheticEvent) => {
    event.preventDefault();
    const empty = fields.filter((field) => values[field].trim() === "");
    setFaults(Object.fromEntries(empty.map((field) => [field, t(MISSING[field])])));
    setRefusal(null);
    if (empty.length > 0) return;
    setBusy(true);
    try {
      await onSubmit(values);
    } catch (error) {
      const code = codeOf(error);
      const field = BELONGS[code];
      if (field !== undefined && fields.includes(field)) setFaults({ [field]: sayError(code) });
      else setRefusal(sayError(code));
    }
    setBusy(false);
  };

  return (
    <form className="flex flex-col gap-4" noValidate onSubmit={(event) => void send(event)}>
      {fields.map((field) => (
        <Field
          key={field}
          name={field}
          label={t(`auth.${field}`)}
          type={field === "password" ? "password" : field === "email" ? "email" : "text"}
          autoComplete={field === "password" && fresh ? "new-password" : AUTOCOMPLETE[field]}
          autoCapitalize={field === "name" ? "words" : "none"}
          hint={field === "password" && fresh ? t("auth.passwordHint") : undefined}
          error={faults[field]}
          value={values[field]}
          onChange={(event) => setValues({ ...values, [field]: event.target.value })}
        />
      ))}
      {refusal !== null && (
        <p role="alert" className="flex items-start gap-2 rounded-md bg-danger-wash p-3 text-danger">
          <Icon name="warning" className="mt-0.5 shrink-0" />
          {refusal}
        </p>
      )}
      <Button type="submit" kind="primary" busy={busy} className="mt-2 min-h-11">
        {submit}
      </Button>
    </form>
  );
}

async function join({ name, email, password, invite }: Values): Promise<void> {
  await register({ name: name.trim(), email: email.trim(), password, ...(invite.trim() ? { invite_code: invite.trim() } : {}) });
  await signIn(email.trim(), password);
  await queries.invalidateQueries({ queryKey: ["setup"] });
}

function FirstRun() {
  const { t } = useTranslation();
  return (
    <Frame title={t("setup.title")} lead={t("setup.lead")}>
      <AccountForm fields={["name", "email", "password"]} submit={t("setup.submit")} onSubmit={join} />
      <aside className="flex gap-3 rounded-md bg-sunk p-4 text-sm text-ink-2">
        <Icon name="info" className="shrink-0 text-accent" />
        <div>
          <p className="font-medium text-ink">{t("setup.modelsTitle")}</p>
          <p className="mt-1">{t("setup.models")}</p>
        </div>
      </aside>
    </Frame>
  );
}

function SignIn({ registration, onRegister }: { registration: Registration; onRegister: () => void }) {
  const { t } = useTranslation();
  return (
    <Frame title={t("auth.signInTitle")} lead={t("tagline")}>
      <AccountForm fields={["email", "password"]} submit={t("auth.signIn")} onSubmit={({ email, password }) => signIn(email.trim(), password)} />
      {registration === "closed" ? (
        <p className="text-center text-sm text-ink-3">{t("auth.closed")}</p>
      ) : (
        <Swap question={t("auth.noAccount")} action={t("auth.register")} onSwap={onRegister} />
      )}
    </Frame>
  );
}

function Register({ registration, onSignIn }: { registration: Registration; onSignIn: () => void }) {
  const { t } = useTranslation();
  const fields: Fields[] = registration === "invite" ? ["invite", "name", "email", "password"] : ["name", "email", "password"];
  const lead = { open: t("tagline"), invite: t("auth.inviteNeeded"), closed: t("auth.closed") }[registration];
  return (
    <Frame title={t("auth.registerTitle")} lead={lead}>
      {registration !== "closed" && <AccountForm fields={fields} submit={t("auth.register")} onSubmit={join} />}
      <Swap question={t("auth.haveAccount")} action={t("auth.signIn")} onSwap={onSignIn} />
    </Frame>
  );
}

function Swap({ question, action, onSwap }: { question: string; action: string; onSwap: () => void }) {
  return (
    <p className="flex items-center justify-center gap-1 text-ink-2">
      {question}
      <Button kind="quiet" className="px-2 text-accent" onClick={onSwap}>
        {action}
      </Button>
    </p>
  );
}
