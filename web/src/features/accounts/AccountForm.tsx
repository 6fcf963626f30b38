import { type ReactNode, type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Button, Field, Refusal } from "@/kernel/ui";

export type Fields = "name" | "email" | "password" | "invite" | "setup";
export type Values = Record<Fields, string>;
type Faults = Partial<Record<Fields, string>>;

interface AccountFormProps {
  fields: readonly Fields[];
  /** Whether the password is a new one. */
  fresh?: boolean;
  initial?: Partial<Values>;
  /** Why one is here again, until the next try. */
  refusal?: string | null;
  submit: string;
  /** What stands between the fields and the button. */
  children?: ReactNode;
  onSubmit: (values: Values) => Promise<void>;
}

const AUTOCOMPLETE: Record<Fields, string> = { name: "name", email: "username", password: "current-password", invite: "off", setup: "off" };
const MISSING = { name: "auth.nameNeeded", email: "auth.emailNeeded", password: "auth.passwordNeeded", invite: "auth.inviteMissing", setup: "auth.setupMissing" } as const;
const BELONGS: Record<string, Fields> = {
  email_taken: "email",
  email_malformed: "email",
  password_length: "password",
  password_common: "password",
  invite_required: "invite",
  invite_invalid: "invite",
  setup_token_wrong: "setup",
};

/** What one enters about an account; a refusal stands at the field that it is about. */
export function AccountForm({ fields, fresh = false, initial, refusal: before = null, submit, children, onSubmit }: AccountFormProps) {
  const { t } = useTranslation();
  const [values, setValues] = useState<Values>(() => ({ name: "", email: "", password: "", invite: new URLSearchParams(location.search).get("invite") ?? "", setup: "", ...initial }));
  const [faults, setFaults] = useState<Faults>({});
  const [refusal, setRefusal] = useState<string | null>(before);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>("input[aria-invalid=true]")?.focus();
  }, [faults]);

  const send = async (event: SyntheticEvent) => {
    event.preventDefault();
    const empty = fields.filter((field) => values[field].trim() === "");
    setFaults(Object.fromEntries(empty.map((field) => [field, t(MISSING[field])])));
    setRefusal(null);
    if (empty.length > 0) return;
    setBusy(true);
    try {
      await onSubmit({ ...values, name: values.name.trim(), email: values.email.trim(), invite: values.invite.trim(), setup: values.setup.trim() });
    } catch (error) {
      const code = codeOf(error);
      const field = BELONGS[code];
      if (field !== undefined && fields.includes(field)) setFaults({ [field]: sayError(code) });
      else setRefusal(sayError(code));
    }
    setBusy(false);
  };

  return (
    <form ref={form} className="flex flex-col gap-4" noValidate onSubmit={(event) => void send(event)}>
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
      {children}
      {refusal !== null && <Refusal>{refusal}</Refusal>}
      <Button type="submit" kind="primary" busy={busy} className="mt-2 min-h-11">
        {submit}
      </Button>
    </form>
  );
}
