import { useState } from "react";
import { useTranslation } from "react-i18next";
import { arrival, go } from "@/kernel/address";
import { codeOf } from "@/kernel/api/problem";
import { auth, signOut } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { Button, Tick, toast } from "@/kernel/ui";
import { AccountForm } from "./AccountForm";
import { Heading, Swap } from "./Frame";
import { Inbox } from "./Inbox";
import { askForReset, isUsedUp, resetPassword } from "./recovery";

/** The password is forgotten: a mail leads on. Nobody learns here which addresses have accounts. */
export function Forgot({ sendsMail, onBack }: { sendsMail: boolean; onBack: () => void }) {
  const { t } = useTranslation();
  const [sentTo, setSentTo] = useState<string | null>(null);
  if (sentTo !== null) return <Inbox title={t("entrance.inboxTitle")} lead={t("entrance.inboxLead", { email: sentTo })} onAgain={() => askForReset(sentTo)} onBack={onBack} />;
  if (!sendsMail) {
    return (
      <>
        <Heading title={t("entrance.forgotTitle")} lead={t("entrance.forgotAsk")} />
        <Swap action={t("entrance.toSignIn")} onSwap={onBack} />
      </>
    );
  }
  return (
    <>
      <Heading title={t("entrance.forgotTitle")} lead={t("entrance.forgotLead")} />
      <AccountForm
        fields={["email"]}
        submit={t("entrance.sendMail")}
        onSubmit={async ({ email }) => {
          await askForReset(email);
          setSentTo(email);
        }}
      />
      <Swap action={t("entrance.toSignIn")} onSwap={onBack} />
    </>
  );
}

/** The page that the mail leads to. */
export function Reset() {
  const { t } = useTranslation();
  const [ends, setEnds] = useState(false);
  const [refused, setRefused] = useState<string | null>(arrival.token === "" ? "" : null);
  const toForgot = () => go("/forgot-password", { instead: true });
  if (refused !== null) {
    return (
      <>
        <Heading title={t("entrance.resetOverTitle")} lead={refused === "" ? t("entrance.resetOverLead") : sayError(refused)} />
        <Button kind="primary" className="min-h-11" onClick={toForgot}>
          {t("entrance.askAgain")}
        </Button>
      </>
    );
  }
  return (
    <>
      <Heading title={t("entrance.resetTitle")} lead={t("entrance.resetLead")} />
      <AccountForm
        fresh
        fields={["password"]}
        submit={t("entrance.reset")}
        onSubmit={async ({ password }) => {
          try {
            await resetPassword(arrival.token, password, ends);
          } catch (error) {
            const code = codeOf(error);
            if (!isUsedUp(code)) throw error;
            setRefused(code);
            return;
          }
          if (auth.get().state === "in") await signOut();
          toast(t("entrance.resetDone"));
          go("/", { instead: true });
        }}
      >
        <Tick label={t("auth.endsOthers")} hint={t("auth.endsOthersHint")} checked={ends} onChange={setEnds} />
      </AccountForm>
    </>
  );
}
