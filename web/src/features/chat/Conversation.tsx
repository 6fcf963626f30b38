import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { SourcePanel, type Source } from "@/features/knowledge/public";
import { useChosenModel } from "@/features/providers/public";
import { cancelRun, type Citation } from "@/features/runs/public";
import { sayRefusal } from "@/features/usage/public";
import { codeOf, Problem } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Button, Empty, Failed, Icon, Skeleton, toast } from "@/kernel/ui";
import { Answer } from "./Answer";
import { type Message, titleOf, useMessages, useSession } from "./api";
import { Composer, fillDraft } from "./Composer";
import { ask, askAgain, discard, pending, type Pending } from "./outbox";
import { useStick } from "./useStick";

interface ConversationProps {
  id: string;
  onUpload: () => void;
  onNew: () => void;
}

export function Conversation({ id, onUpload, onNew }: ConversationProps) {
  const { t } = useTranslation();
  const query = useMessages(id);
  const title = titleOf(useSession(id).data) ?? t("sessions.untitled");
  const missing = query.error instanceof Problem && [404, 422].includes(query.error.status);
  useTitle(missing ? t("sessions.missing") : title);
  const waiting = useStore(pending).filter((one) => one.sessionId === id);
  const { chosen } = useChosenModel();
  const [source, setSource] = useState<Source | null>(null);
  const [stopping, setStopping] = useState<string | null>(null);
  const running = query.data?.findLast((one) => one.status === "streaming" && one.run_id !== stopping);

  const stop = () => {
    if (!running?.run_id) return;
    setStopping(running.run_id);
    cancelRun(running.run_id).catch((error: unknown) => {
      setStopping(null);
      toast(sayError(codeOf(error)), { danger: true });
    });
  };
  const again = useCallback(
    (messageId: string) => {
      askAgain(id, messageId).catch((error: unknown) => toast(sayRefusal(error), { danger: true }));
    },
    [id],
  );
  const goOn = useCallback(() => void ask(id, { text: t("chat.continueQuestion"), documentIds: [], model: chosen }), [id, t, chosen]);

  if (missing) {
    return (
      <Centre>
        <Empty title={t("sessions.missing")} body={t("sessions.missingBody")}>
          <Button kind="primary" onClick={onNew}>
            {t("sessions.new")}
          </Button>
        </Empty>
      </Centre>
    );
  }
  return (
    <div className="flex h-full min-w-0">
      <div className="flex min-w-0 flex-1 flex-col">
        <h1 className="sr-only">{title}</h1>
        {query.isError && !query.data ? (
          <Centre>
            <Failed title={t("chat.loadFailed")} error={query.error} onRetry={() => void query.refetch()} />
          </Centre>
        ) : (
          <Thread key={id} messages={query.data} waiting={waiting} onOpen={setSource} onRetry={again} onContinue={goOn} />
        )}
        <div className="mx-auto w-full max-w-column px-4 pb-3 md:pb-4">
          <Composer key={id} name={id} answering={running !== undefined || waiting.some((one) => one.error === null)} onStop={stop} onUpload={onUpload} onSend={(text, documentIds) => void ask(id, { text, documentIds, model: chosen })} />
          <p className="pt-2 text-center text-xs text-ink-3">{t("chat.notice")}</p>
        </div>
      </div>
      {source && <SourcePanel source={source} onClose={() => setSource(null)} />}
      <Announcer messages={query.data} />
    </div>
  );
}

function Centre({ children }: { children: React.ReactNode }) {
  return <div className="grid h-full flex-1 place-items-center p-5">{children}</div>;
}

interface ThreadProps {
  messages: readonly Message[] | undefined;
  waiting: readonly Pending[];
  onOpen: (citation: Citation) => void;
  onRetry: (messageId: string) => void;
  onContinue: () => void;
}

function Thread({ messages, waiting, onOpen, onRetry, onContinue }: ThreadProps) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { away, toEnd } = useStick(box, content);
  const sending = waiting.length;
  useEffect(() => {
    if (sending > 0) toEnd();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new question scrolls, a new drawing does not
  }, [sending]);
  return (
    <div className="relative min-h-0 flex-1">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <section ref={box} tabIndex={0} aria-label={t("chat.conversation")} className="h-full overflow-y-auto focus-visible:-outline-offset-2">
        <div ref={content} className="mx-auto flex max-w-column flex-col gap-7 px-5 pt-8 pb-10">
          {messages === undefined ? <Loading /> : messages.map((message, index) => <Entry key={message.id} message={message} asked={questionOf(messages, index)} last={index === messages.length - 1 && sending === 0} onOpen={onOpen} onRetry={onRetry} onContinue={onContinue} />)}
          {waiting.map((one) => (
            <Unsent key={one.key} one={one} />
          ))}
        </div>
      </section>
      {away && (
        <button type="button" onClick={toEnd} title={t("chat.latest")} aria-label={t("chat.latest")} className="absolute bottom-4 left-1/2 grid size-10 -translate-x-1/2 animate-rise place-items-center rounded-full border border-line bg-raised text-ink-2 shadow-pop hover:text-ink">
          <Icon name="arrowDown" />
        </button>
      )}
    </div>
  );
}

function questionOf(messages: readonly Message[], index: number): string {
  return messages.slice(0, index).findLast((one) => one.role === "user")?.id ?? "";
}

interface EntryProps {
  message: Message;
  asked: string;
  last: boolean;
  onOpen: ThreadProps["onOpen"];
  onRetry: ThreadProps["onRetry"];
  onContinue: ThreadProps["onContinue"];
}

function Entry({ message, asked, last, onOpen, onRetry, onContinue }: EntryProps) {
  const retry = useCallback(() => onRetry(asked), [onRetry, asked]);
  if (message.role === "user") return <Question text={message.text} />;
  return <Answer message={message} last={last} onOpen={onOpen} onRetry={retry} onContinue={onContinue} />;
}

function Question({ text, faded = false }: { text: string; faded?: boolean }) {
  const { t } = useTranslation();
  return (
    <article aria-label={t("chat.you")} className="flex justify-end pl-10">
      <p className={`max-w-full rounded-xl rounded-br-sm bg-sunk px-5 py-3 text-prose whitespace-pre-wrap ${faded ? "opacity-60" : ""}`}>{text}</p>
    </article>
  );
}

function Unsent({ one }: { one: Pending }) {
  const { t } = useTranslation();
  const edit = () => {
    discard(one);
    fillDraft(one.sessionId, one.text);
  };
  return (
    <div className="flex flex-col gap-2">
      <Question text={one.text} faded />
      {one.error === null ? (
        <p className="text-right text-sm text-ink-3">{t("chat.sending")}</p>
      ) : (
        <div role="alert" className="flex flex-wrap items-center justify-end gap-2 text-sm">
          <span className="text-danger">
            {t("chat.notSent")} {sayRefusal(one.error)}
          </span>
          <Button kind="quiet" icon="pencil" onClick={edit}>
            {t("chat.edit")}
          </Button>
          <Button icon="retry" onClick={() => void ask(one.sessionId, one, one.key)}>
            {t("chat.resend")}
          </Button>
        </div>
      )}
    </div>
  );
}

function Loading() {
  const { t } = useTranslation();
  return (
    <div role="status" aria-label={t("common.loading")} className="flex flex-col gap-7">
      <Skeleton className="h-12 w-1/2 self-end rounded-xl" />
      <div className="flex flex-col gap-3">
        <Skeleton className="h-4 w-full" />
        <Skeleton className="h-4 w-11/12" />
        <Skeleton className="h-4 w-3/5" />
      </div>
    </div>
  );
}

/** Tells screen readers when an answer begins and when it is complete, not every token of it. */
function Announcer({ messages }: { messages: readonly Message[] | undefined }) {
  const { t } = useTranslation();
  const streaming = messages?.some((one) => one.status === "streaming") ?? false;
  const [began, setBegan] = useState(false);
  if (streaming && !began) setBegan(true);
  return (
    <p role="status" aria-live="polite" className="sr-only">
      {streaming ? t("chat.answering") : began ? t("chat.answered") : ""}
    </p>
  );
}
