import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useReadyDocuments } from "@/features/knowledge/public";
import { useChosenModel, useIsBuiltIn } from "@/features/providers/public";
import { codeOf } from "@/kernel/api/problem";
import { auth } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Mark, toast } from "@/kernel/ui";
import { createSession, refreshSessions } from "./api";
import { Composer, fillDraft } from "./Composer";
import { ask } from "./outbox";

const NEW = "new";

export function NewChat({ onOpen, onUpload }: { onOpen: (id: string) => void; onUpload: () => void }) {
  const { t } = useTranslation();
  const who = useStore(auth);
  useTitle();
  const documents = useReadyDocuments();
  const { chosen, model } = useChosenModel();
  const small = useIsBuiltIn(model?.id ?? null);
  const [busy, setBusy] = useState(false);
  const name = who.state === "in" ? who.user.name : "";

  const begin = async (text: string, documentIds: readonly string[]) => {
    setBusy(true);
    try {
      const { id } = await createSession();
      void ask(id, { text, documentIds, model: chosen });
      void refreshSessions();
      onOpen(id);
    } catch (error) {
      fillDraft(NEW, text);
      toast(sayError(codeOf(error)), { danger: true });
    }
    setBusy(false);
  };

  return (
    <div className="flex h-full flex-col overflow-y-auto">
      <div className="mx-auto flex w-full max-w-column flex-1 flex-col justify-center gap-8 px-4 py-10">
        <div className="flex flex-col items-center gap-3 text-center">
          <Mark size={44} />
          <h1 className="mt-3 text-2xl font-semibold">{name ? t("chat.greetingNamed", { name }) : t("chat.greeting")}</h1>
          <p className="text-ink-2">{t("chat.intro")}</p>
        </div>
        <Composer name={NEW} answering={busy} onStop={() => undefined} onUpload={onUpload} onSend={(text, ids) => void begin(text, ids)} />
        <div className="flex flex-wrap justify-center gap-2">
          {documents.length > 0 ? (
            <>
              <Suggestion text={t("chat.suggestSummary")} onPick={(text) => fillDraft(NEW, text)} />
              <Suggestion text={t("chat.suggestFind")} onPick={(text) => fillDraft(NEW, text)} />
            </>
          ) : (
            <Suggestion text={t("chat.suggestUpload")} onPick={onUpload} />
          )}
          <Suggestion text={t("chat.suggestExplain")} onPick={(text) => fillDraft(NEW, text)} />
        </div>
        {small && <p className="text-center text-sm text-ink-3">{t("models.small")}</p>}
      </div>
    </div>
  );
}

function Suggestion({ text, onPick }: { text: string; onPick: (text: string) => void }) {
  return (
    <button type="button" onClick={() => onPick(text)} className="rounded-full border border-line px-4 py-2 text-sm text-ink-2 transition-colors hover:border-accent hover:text-ink">
      {text}
    </button>
  );
}
