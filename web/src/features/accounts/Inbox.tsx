import { useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Button, Icon, Refusal, toast } from "@/kernel/ui";
import { Heading } from "./Frame";

interface InboxProps {
  title: string;
  lead: string;
  onAgain: () => Promise<void>;
  onBack: () => void;
}

/** A mail is on its way, if it is: look into the inbox, or have it sent again. */
export function Inbox({ title, lead, onAgain, onBack }: InboxProps) {
  const { t } = useTranslation();
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const again = async () => {
    setRefusal(null);
    setBusy(true);
    try {
      await onAgain();
      toast(t("entrance.sentAgain"));
    } catch (error) {
      setRefusal(sayError(codeOf(error)));
    }
    setBusy(false);
  };
  return (
    <>
      <Heading title={title} lead={lead} />
      <p role="status" className="flex gap-3 rounded-md bg-sunk p-4 text-sm text-ink-2">
        <Icon name="mail" className="shrink-0 text-accent" />
        {t("entrance.inboxHint")}
      </p>
      {refusal !== null && <Refusal>{refusal}</Refusal>}
      <div className="flex flex-col gap-2">
        <Button icon="retry" busy={busy} className="min-h-11" onClick={() => void again()}>
          {t("entrance.again")}
        </Button>
        <Button kind="quiet" onClick={onBack}>
          {t("entrance.toSignIn")}
        </Button>
      </div>
    </>
  );
}
