import { useMutation, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { arrival, go } from "@/kernel/address";
import { codeOf } from "@/kernel/api/problem";
import { auth, renewed } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { Button, Refusal, Spinner } from "@/kernel/ui";
import { Heading } from "./Frame";
import { Inbox } from "./Inbox";
import { askForVerification, verifyEmail } from "./recovery";

/** The password is right, and the address has not been confirmed yet. */
export function Unverified({ email, onBack }: { email: string; onBack: () => void }) {
  const { t } = useTranslation();
  return <Inbox title={t("entrance.unverifiedTitle")} lead={t("entrance.unverifiedLead", { email })} onAgain={() => askForVerification(email)} onBack={onBack} />;
}

/** The page that the mail leads to: confirms the address as soon as it is open. */
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
      // Whoever is signed in here learns it with the next tokens.
      if (auth.get().state === "in") await renewed();
      return true;
    },
  });
  if (token !== "" && query.isPending) {
    return (
      <p role="status" className="flex items-center gap-3 text-ink-2">
        <Spinner />
        {t("entrance.verifying")}
      </p>
    );
  }
  if (!query.isSuccess) return <NotVerified code={query.isError ? codeOf(query.error) : null} email={who.state === "in" ? who.user.email : null} />;
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

/** `email` is the address of whoever is signed in here: only they can ask for another mail from this page. */
function NotVerified({ code, email }: { code: string | null; email: string | null }) {
  const { t } = useTranslation();
  const again = useMutation({ mutationFn: askForVerification });
  return (
    <>
      <Heading title={t("entrance.notVerifiedTitle")} lead={t("entrance.notVerifiedLead")} />
      {code !== null && <Refusal>{sayError(code)}</Refusal>}
      {again.isError && <Refusal>{sayError(codeOf(again.error))}</Refusal>}
      {again.isSuccess && <p role="status">{t("entrance.sentAgain")}</p>}
      <div className="flex flex-col gap-2">
        {email !== null && !again.isSuccess && (
          <Button kind="primary" busy={again.isPending} className="min-h-11" onClick={() => again.mutate(email)}>
            {t("entrance.again")}
          </Button>
        )}
        <Button kind={email !== null ? "quiet" : "primary"} className="min-h-11" onClick={onward}>
          {email !== null ? t("entrance.onward") : t("entrance.toSignIn")}
        </Button>
      </div>
    </>
  );
}
