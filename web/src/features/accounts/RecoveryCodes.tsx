import { useId } from "react";
import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { copyText } from "@/kernel/copy";
import { saveFile } from "@/kernel/download";
import { useStore } from "@/kernel/store";
import { Button, Dialog, toast } from "@/kernel/ui";

/** Recovery codes, this once: copied, saved or printed. Only the button closes it, so that nobody loses them by a slip. */
export function RecoveryCodes({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  const who = useStore(auth);
  const title = t("security.codesFile", { email: who.state === "in" ? who.user.email : "", host: location.host });
  const text = [title, "", ...codes, ""].join("\n");
  const copy = async () => {
    if (await copyText(codes.join("\n"))) toast(t("common.copied"));
  };
  return (
    <Dialog open keep onClose={onClose} labelledBy={id} className="max-h-[calc(100dvh-32px)] w-[calc(100%-32px)] max-w-form animate-rise overflow-y-auto rounded-lg border border-line bg-raised shadow-pop">
      <div className="flex flex-col gap-4 p-6">
        <div>
          <h2 id={id} className="text-lg font-semibold">
            {t("security.codesTitle")}
          </h2>
          <p className="mt-1 text-ink-2">{t("security.codesLead")}</p>
        </div>
        <div data-print>
          <p className="hidden print:block">{title}</p>
          <ul className="grid grid-cols-1 gap-x-6 gap-y-1 rounded-md bg-sunk p-4 font-mono min-[400px]:grid-cols-2">
            {codes.map((code) => (
              <li key={code}>{code}</li>
            ))}
          </ul>
        </div>
        <div className="flex flex-wrap gap-2">
          <Button icon="copy" onClick={() => void copy()}>
            {t("common.copy")}
          </Button>
          <Button icon="download" onClick={() => saveFile("madang-recovery-codes.txt", new Blob([text], { type: "text/plain;charset=utf-8" }))}>
            {t("security.download")}
          </Button>
          <Button icon="print" onClick={() => print()}>
            {t("security.print")}
          </Button>
        </div>
        <Button kind="primary" className="min-h-11" onClick={onClose}>
          {t("security.codesDone")}
        </Button>
      </div>
    </Dialog>
  );
}
