import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { address, arrival, go } from "@/kernel/address";
import { useStore } from "@/kernel/store";
import { Failed, Icon } from "@/kernel/ui";
import { AccountForm, type Fields } from "./AccountForm";
import { type Setup, useSetup } from "./entering";
import { Frame, Heading, Swap } from "./Frame";
import { Invited } from "./Invited";
import { Forgot, Reset } from "./Recovery";
import { makeAccount, Register } from "./Register";
import { SignIn } from "./SignIn";
import { Unverified, VerifyEmail } from "./Verification";

interface WelcomeProps {
  /** What a code invites one to; `entry` lets one make an account or sign in on the way. */
  invitation: (code: string, entry: (isForOne: boolean) => ReactNode) => ReactNode;
}

/** Everything somebody meets who is not inside: the first run, signing in, making an account, the pages of mails. */
export function Welcome({ invitation }: WelcomeProps) {
  const { t } = useTranslation();
  const setup = useSetup();
  const path = useStore(address);
  if (!setup.data) {
    return <Frame>{setup.isError && <Failed title={t("offline.title")} error={setup.error} onRetry={() => void setup.refetch()} />}</Frame>;
  }
  return <Frame>{setup.data.first_run ? <FirstRun /> : <Place key={path} path={path} setup={setup.data} invitation={invitation} />}</Frame>;
}

function Place({ path, setup, invitation }: WelcomeProps & { path: string; setup: Setup }) {
  const code = /^\/join\/([^/]+)/.exec(path)?.[1];
  if (code !== undefined) return invitation(decoded(code), (isForOne) => <Invited setup={setup} code={decoded(code)} isForOne={isForOne} returnTo={path} />);
  if (path === "/reset-password") return <Reset />;
  if (path === "/verify-email") return <VerifyEmail />;
  if (path === "/forgot-password") return <Forgot sendsMail={setup.sends_mail ?? false} onBack={() => go("/", { instead: true })} />;
  return <Entry setup={setup} returnTo={path === "/register" || path === "/setup" ? "/" : path} begin={path === "/register" ? "new" : "in"} />;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

interface EntryProps {
  setup: Setup;
  returnTo: string;
  begin?: "in" | "new";
}

function Entry({ setup, returnTo, begin = "in" }: EntryProps) {
  const { t } = useTranslation();
  const [mode, setMode] = useState<"in" | "new">(begin);
  const [unverified, setUnverified] = useState<string | null>(null);
  const [known, setKnown] = useState("");
  if (unverified !== null) {
    const toSignIn = () => {
      setKnown(unverified);
      setMode("in");
      setUnverified(null);
    };
    return <Unverified email={unverified} onBack={toSignIn} />;
  }
  if (mode === "new") {
    return (
      <>
        <Register registration={setup.registration} title={t("auth.registerTitle")} lead={t("tagline")} onUnverified={setUnverified} />
        <Swap question={t("auth.haveAccount")} action={t("auth.signIn")} onSwap={() => setMode("in")} />
      </>
    );
  }
  return (
    <SignIn setup={setup} email={known} title={t("auth.signInTitle")} lead={t("tagline")} returnTo={returnTo} onForgot={() => go("/forgot-password")}>
      {setup.registration === "closed" ? (
        <p className="text-center text-sm text-ink-3">{t("auth.closed")}</p>
      ) : (
        <Swap question={t("auth.noAccount")} action={t("auth.register")} onSwap={() => setMode("new")} />
      )}
    </SignIn>
  );
}

/** The supervisor's account. The address that the terminal printed brings a token; whoever came otherwise enters it. */
function FirstRun() {
  const { t } = useTranslation();
  const [token] = useState(() => arrival.token);
  useEffect(() => go("/", { instead: true }), []);
  const fields: Fields[] = token === "" ? ["setup", "name", "email", "password"] : ["name", "email", "password"];
  return (
    <>
      <Heading title={t("setup.title")} lead={t(token === "" ? "setup.tokenNeeded" : "setup.lead")} />
      <AccountForm fresh fields={fields} initial={{ setup: token }} submit={t("setup.submit")} onSubmit={(values) => makeAccount(values, undefined, () => location.reload())} />
      <aside className="flex gap-3 rounded-md bg-sunk p-4 text-sm text-ink-2">
        <Icon name="info" className="shrink-0 text-accent" />
        <div>
          <p className="font-medium text-ink">{t("setup.modelsTitle")}</p>
          <p className="mt-1">{t("setup.models")}</p>
        </div>
      </aside>
    </>
  );
}
