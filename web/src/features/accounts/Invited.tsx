import { useState } from "react";
import { useTranslation } from "react-i18next";
import { arrival, go } from "@/kernel/address";
import { cx } from "@/kernel/ui";
import type { Setup } from "./entering";
import { Register } from "./Register";
import { SignIn } from "./SignIn";
import { Unverified } from "./Verification";

type Way = "in" | "new";

interface InvitedProps {
  setup: Setup;
  /** An invite's code, with which one may make an account whatever the house's rule says of others. */
  code: string;
  /** Whether the code is for one e-mail address alone. */
  isForOne: boolean;
  returnTo: string;
}

/** The way in with an invite. Whether its address has an account is told to nobody, so both ways stand side by side. */
export function Invited({ setup, code, isForOne, returnTo }: InvitedProps) {
  const { t } = useTranslation();
  const isClosed = setup.registration === "closed";
  const [way, setWay] = useState<Way>(isClosed || arrival.error !== null ? "in" : "new");
  const [known, setKnown] = useState("");
  const [unverified, setUnverified] = useState<string | null>(null);
  if (unverified !== null) {
    const toSignIn = () => {
      setKnown(unverified);
      setWay("in");
      setUnverified(null);
    };
    return <Unverified email={unverified} onBack={toSignIn} />;
  }
  return (
    <>
      {!isClosed && <Ways way={way} onChoose={setWay} />}
      {way === "new" ? (
        <Register registration={setup.registration} title={t("auth.registerTitle")} lead={t(isForOne ? "entrance.registerInvited" : "entrance.registerToJoin")} code={code} onUnverified={setUnverified} />
      ) : (
        <SignIn setup={setup} email={known} title={t("auth.signIn")} lead={t(isForOne ? "entrance.signInInvited" : "entrance.signInToJoin")} returnTo={returnTo} onForgot={() => go("/forgot-password")}>
          {isClosed && <p className="text-center text-sm text-ink-3">{t("auth.closed")}</p>}
        </SignIn>
      )}
    </>
  );
}

function Ways({ way, onChoose }: { way: Way; onChoose: (way: Way) => void }) {
  const { t } = useTranslation();
  return (
    <div role="group" aria-label={t("entrance.ways")} className="grid grid-cols-2 gap-1 rounded-md border border-line bg-sunk p-1">
      {(["new", "in"] as const).map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={way === one}
          className={cx("min-h-11 rounded-sm px-3 py-2 transition-colors", way === one ? "bg-raised font-medium text-ink" : "text-ink-2 hover:text-ink")}
          onClick={() => onChoose(one)}
        >
          {t(one === "new" ? "entrance.iAmNew" : "entrance.iHaveAccount")}
        </button>
      ))}
    </div>
  );
}
