import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { arrival } from "@/kernel/address";
import { codeOf, Problem } from "@/kernel/api/problem";
import { signIn } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { exact } from "@/kernel/time";
import { Button, Icon, Refusal, toast } from "@/kernel/ui";
import { AccountForm } from "./AccountForm";
import { enterByPasskey, type Setup, stay } from "./entering";
import { Heading } from "./Frame";
import { METHODS, type Method, SecondStep } from "./SecondStep";
import { hasPasskeys } from "./webauthn";
import { Unverified } from "./Verification";

type Step =
  | { kind: "password"; email: string; refusal: string | null }
  | { kind: "second"; email: string; challenge: string; methods: Method[] }
  | { kind: "leaving"; email: string; password: string; until: string | null; mayStay: boolean }
  | { kind: "unverified"; email: string };

interface SignInProps {
  setup: Setup;
  /** What is known of the address already. */
  email: string;
  title: string;
  lead?: string;
  /** Where a provider sends one back to. */
  returnTo: string;
  onForgot: () => void;
  /** What stands below the form, and not below the steps after it. */
  children: ReactNode;
}

/** Signing in, with whatever the server asks for on the way. */
export function SignIn({ setup, email: known, title, lead, returnTo, onForgot, children }: SignInProps) {
  const { t } = useTranslation();
  const [step, setStep] = useState<Step>({ kind: "password", email: known, refusal: arrival.error === null ? null : sayError(arrival.error) });
  const back = (email: string) => (code: string | null) => setStep({ kind: "password", email, refusal: code === null ? null : sayError(code) });
  if (step.kind === "second") return <SecondStep challenge={step.challenge} methods={step.methods} onBack={back(step.email)} />;
  if (step.kind === "leaving") return <Leaving {...step} onBack={() => back(step.email)(null)} onSecond={setStep} />;
  if (step.kind === "unverified") return <Unverified email={step.email} onBack={() => back(step.email)(null)} />;
  return (
    <>
      <Heading title={title} {...(lead === undefined ? {} : { lead })} />
      <div className="flex flex-col gap-2">
        <AccountForm
          fields={["email", "password"]}
          initial={{ email: step.email }}
          refusal={step.refusal}
          submit={t("auth.signIn")}
          onSubmit={({ email, password }) =>
            signIn(email, password).catch((error: unknown) => {
              const next = nextStep(error, email, password);
              if (next === null) throw error;
              setStep(next);
            })
          }
        />
        <Button kind="way" onClick={onForgot}>
          {t("entrance.forgot")}
        </Button>
      </div>
      <OtherWays providers={setup.providers ?? []} returnTo={returnTo} />
      {children}
    </>
  );
}

/** What the server wants to be done before it lets somebody in whose password is right; null when it plainly refuses. */
function nextStep(error: unknown, email: string, password: string): Step | null {
  if (!(error instanceof Problem)) return null;
  const { code, extra } = error;
  if (code === "second_factor_required" && typeof extra["challenge"] === "string") {
    const offered: unknown[] = Array.isArray(extra["methods"]) ? extra["methods"] : [];
    return { kind: "second", email, challenge: extra["challenge"], methods: METHODS.filter((one) => offered.includes(one) && (one !== "passkey" || hasPasskeys)) };
  }
  if (code === "account_leaving") {
    const until = typeof extra["deletion_at"] === "string" ? extra["deletion_at"] : null;
    return { kind: "leaving", email, password, until, mayStay: extra["can_restore"] !== false };
  }
  return code === "email_unverified" ? { kind: "unverified", email } : null;
}

function OtherWays({ providers, returnTo }: { providers: NonNullable<Setup["providers"]>; returnTo: string }) {
  const { t } = useTranslation();
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!hasPasskeys && providers.length === 0) return null;
  const byPasskey = async () => {
    setRefusal(null);
    setBusy(true);
    try {
      await enterByPasskey();
    } catch (error) {
      setRefusal(sayError(codeOf(error)));
    }
    setBusy(false);
  };
  const address = (name: string) => `/api/v1/auth/oidc/${encodeURIComponent(name)}/start?return_to=${encodeURIComponent(returnTo)}`;
  return (
    <div className="flex flex-col gap-3">
      <p className="flex items-center gap-3 text-sm text-ink-3 before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">{t("entrance.or")}</p>
      {providers.map(({ name, label }) => (
        <a key={name} href={address(name)} className="inline-flex min-h-11 items-center justify-center gap-2 rounded-md border border-line bg-raised px-4 py-2 font-medium transition-colors hover:border-line-strong">
          {t("entrance.continueWith", { name: label })}
        </a>
      ))}
      {hasPasskeys && (
        <Button icon="key" busy={busy} className="min-h-11" onClick={() => void byPasskey()}>
          {t("entrance.byPasskey")}
        </Button>
      )}
      {refusal !== null && <Refusal>{refusal}</Refusal>}
    </div>
  );
}

interface LeavingProps {
  email: string;
  password: string;
  until: string | null;
  /** Only who ordered the deletion can take it back. */
  mayStay: boolean;
  onBack: () => void;
  onSecond: (step: Step) => void;
}

function Leaving({ email, password, until, mayStay, onBack, onSecond }: LeavingProps) {
  const { t, i18n } = useTranslation();
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const keep = async () => {
    setRefusal(null);
    setBusy(true);
    try {
      await stay(email, password);
      toast(t("entrance.kept"));
    } catch (error) {
      const next = nextStep(error, email, password);
      if (next?.kind === "second") onSecond(next);
      else setRefusal(sayError(codeOf(error)));
    }
    setBusy(false);
  };
  return (
    <>
      <Heading title={t("entrance.leavingTitle")} lead={mayStay ? t("entrance.leavingLead") : t("entrance.leavingByOther")} />
      {until !== null && (
        <p className="flex items-center gap-3 rounded-md bg-sunk p-4">
          <Icon name="trash" className="shrink-0 text-ink-3" />
          {t("entrance.leavingAt", { when: exact(until, i18n.language) })}
        </p>
      )}
      {refusal !== null && <Refusal>{refusal}</Refusal>}
      <div className="flex flex-col gap-2">
        {mayStay && (
          <Button kind="primary" busy={busy} className="min-h-11" onClick={() => void keep()}>
            {t("entrance.keep")}
          </Button>
        )}
        <Button kind="quiet" onClick={onBack}>
          {t("common.back")}
        </Button>
      </div>
    </>
  );
}
