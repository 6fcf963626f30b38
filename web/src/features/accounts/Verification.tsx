import { useMutation, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { arrival, go } from "@/kernel/address";
import { codeOf } from "@/kernel/api/problem";
import { auth, renewed, type User } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { Button, Refusal, Spinner } from "@/kernel/ui";
import { Heading } from "./Frame";
import { Inbox } from "./Inbox";
import { askForVerification, isUsedUp, verifyEmail } from "./recovery";

/** The password is right, and the address has not been confirmed yet. */
export function Unverified({ email, onBack }: { email: string; onBack: () => void }) {
  const { t } = useTranslation();
  return <Inbox title={t("entrance.unverifiedTitle")} lead={t("entrance.unverifiedLead", { email })} onAgain={() => askForVerification(email)} onBack={onBack} />;
}

/** Where the history keeps that this page has done its work: a reload has no token any more. */
const DONE = { proved: true };
const wasDone = () => (history.state as Partial<typeof DONE> | null)?.proved === true;

/** The page that a mail leads to: confirms the address, or changes to it, as soon as it is open. */
export function VerifyEmail() {
  const { t } = useTranslation();
  const who = useStore(auth);
  const token = arrival.token;
  const query = useQuery({
    queryKey: ["verify-email", token],
    enabled: token !== "",
    staleTime: Infinity,
    retry: false,
    queryFn: async () => {
      await verifyEmail(token);
      history.replaceState(DONE, "", location.pathname);
      // Whoever is signed in here learns it with the next tokens.
      if (auth.get().state === "in") await renewed();
      return true;
    },
  });
  if (token !== "" && query.isFetching) {
    return (
      <p role="status" className="flex items-center gap-3 text-ink-2">
        <Spinner />
        {t("entrance.verifying")}
      </p>
    );
  }
  const code = query.isError ? codeOf(query.error) : null;
  if (code !== null && !isUsedUp(code)) return <TryAgain code={code} onAgain={() => void query.refetch()} />;
  if (!query.isSuccess && !wasDone()) return <NotVerified user={who.state === "in" ? who.user : null} />;
  return (
    <>
      <Heading title={t("entrance.verifiedTitle")} lead={t("entrance.verifiedLead")} />
      <Button kind="primary" className="min-h-11" onClick={onward}>
        {who.state === "in" ? t("entrance.onward") : t("auth.signIn")}
      </Button>
    </>
  );
}

const onward = () => go("/", { instead: true });

function TryAgain({ code, onAgain }: { code: string; onAgain: () => void }) {
  const { t } = useTranslation();
  return (
    <>
      <Heading title={t("entrance.notVerifiedTitle")} lead={sayError(code)} />
      <Button kind="primary" icon="retry" className="min-h-11" onClick={onAgain}>
        {t("common.retry")}
      </Button>
    </>
  );
}

function whyNot(user: User | null) {
  if (user === null) return "entrance.notVerifiedLead";
  return user.email_verified ? "entrance.notVerifiedIn" : "entrance.notVerifiedYet";
}

/** `user` is whoever is signed in here: only they can ask for another mail from this page. */
function NotVerified({ user }: { user: User | null }) {
  const { t } = useTranslation();
  const email = user === null || user.email_verified ? null : user.email;
  const again = useMutation({ mutationFn: askForVerification });
  return (
    <>
      <Heading title={t("entrance.notVerifiedTitle")} lead={t(whyNot(user))} />
      {again.isError && <Refusal>{sayError(codeOf(again.error))}</Refusal>}
      {again.isSuccess && <p role="status">{t("entrance.sentTo", { email })}</p>}
      <div className="flex flex-col gap-2">
        {email !== null && !again.isSuccess && (
          <Button kind="primary" busy={again.isPending} className="min-h-11" onClick={() => again.mutate(email)}>
            {t("entrance.askAgain")}
          </Button>
        )}
        <Button kind={email !== null ? "quiet" : "primary"} className="min-h-11" onClick={onward}>
          {user !== null ? t("entrance.onward") : t("entrance.toSignIn")}
        </Button>
      </div>
    </>
  );
}
