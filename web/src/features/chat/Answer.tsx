import { lazy, memo, type ReactNode, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { useIsBuiltIn } from "@/features/providers/public";
import { type Citation, ENDED, type Following, type Receipt, useRun } from "@/features/runs/public";
import { sayRefusal } from "@/features/usage/public";
import { Problem } from "@/kernel/api/problem";
import { copyText } from "@/kernel/copy";
import { Boundary, Button, cx, Icon, IconButton, toast } from "@/kernel/ui";
import type { Message } from "./api";

// Half of the first load is parsing Markdown; the conversation can be read as plain text until it has come.
const Markdown = lazy(() => import("./markdown/Markdown").then((module) => ({ default: module.Markdown })));

interface View {
  text: string;
  status: Message["status"];
  citations: readonly Citation[];
  usage: Receipt | null;
  model: string | null;
  error: Readonly<Record<string, unknown>> | null;
  cut: Cut | null;
  reasoning: string;
  step: ReactNode;
  reconnecting: boolean;
}

const CUTS = ["length", "budget", "content_filter"] as const;
type Cut = (typeof CUTS)[number];

/** What cut an answer off that did not end by itself. */
function cutOf(reason: string | null): Cut | null {
  return CUTS.find((one) => one === reason) ?? null;
}

const FINAL = { finished: "complete", failed: "failed", cancelled: "stopped", queued: "streaming", running: "streaming" } as const;

/** What to show: the live run while the stored answer is unfinished, else what is stored. */
function viewOf(message: Message, following: Following): View {
  return message.status !== "streaming" || following.link === "lost" ? storedView(message) : liveView(following);
}

function storedView({ text, status, citations, usage, model, error, finish_reason: reason }: Message): View {
  return { text, status, citations, usage, model, error: error ?? null, cut: cutOf(reason), reasoning: "", step: null, reconnecting: false };
}

function liveView({ state, link }: Following): View {
  const step = <Step name={state.phase === "queued" ? "queued" : state.step} tool={state.tool} writing={state.text !== ""} />;
  return {
    text: state.text,
    status: FINAL[state.phase],
    citations: state.citations,
    usage: state.usage,
    model: state.usage?.model ?? null,
    error: state.error,
    cut: cutOf(state.finishReason),
    reasoning: state.reasoning,
    step: ENDED.has(state.phase) ? null : step,
    reconnecting: link === "reconnecting",
  };
}

interface AnswerProps {
  message: Message;
  last: boolean;
  onOpen: (citation: Citation) => void;
  onRetry: () => void;
  onContinue: () => void;
}

export const Answer = memo(function Answer({ message, last, onOpen, onRetry, onContinue }: AnswerProps) {
  const { t } = useTranslation();
  const following = useRun(message.status === "streaming" ? message.run_id : null);
  const view = viewOf(message, following);
  const streaming = view.status === "streaming";
  return (
    <article aria-label={t("chat.assistant")} aria-busy={streaming} data-status={view.status} className="group flex flex-col gap-3">
      {view.step}
      {view.reasoning !== "" && <Reasoning text={view.reasoning} />}
      {view.text !== "" && (
        <Boundary fallback={<Plain text={view.text} />}>
          <Suspense fallback={<Plain text={view.text} />}>
            <Markdown text={view.text} streaming={streaming} citations={view.citations} onOpen={onOpen} />
          </Suspense>
        </Boundary>
      )}
      {view.reconnecting && (
        <p role="status" className="flex items-center gap-2 text-sm text-ink-3">
          <span className="size-2 animate-breathe rounded-full bg-danger" />
          {t("chat.reconnecting")}
        </p>
      )}
      <Outcome view={view} onRetry={last ? onRetry : null} onContinue={last ? onContinue : null} />
      {!streaming && <Sources citations={view.citations} onOpen={onOpen} />}
      {!streaming && <Foot view={view} last={last} onRetry={onRetry} />}
    </article>
  );
});

/** What the model thinks aloud, folded, while it answers. */
function Reasoning({ text }: { text: string }) {
  const { t } = useTranslation();
  return (
    <details className="group/thinking text-sm text-ink-3">
      <summary className="flex w-fit cursor-pointer list-none items-center gap-1 rounded-sm hover:text-ink">
        <Icon name="down" size={16} className="-rotate-90 transition-transform group-open/thinking:rotate-0" />
        {t("chat.reasoning")}
      </summary>
      <p className="mt-2 max-h-64 overflow-y-auto border-l border-line pl-3 whitespace-pre-wrap">{text}</p>
    </details>
  );
}

function Plain({ text }: { text: string }) {
  return <p className="text-prose whitespace-pre-wrap">{text}</p>;
}

/** How it ended, when it did not simply end well. */
function Outcome({ view, onRetry, onContinue }: { view: View; onRetry: (() => void) | null; onContinue: (() => void) | null }) {
  const { t } = useTranslation();
  if (view.status === "failed") return <FailedAnswer error={view.error} onRetry={onRetry} />;
  if (view.status === "stopped") return <p className="text-sm text-ink-3">{t("chat.stopped")}</p>;
  if (view.status === "complete" && view.cut !== null) return <CutOff cut={view.cut} onContinue={view.text === "" ? null : onContinue} />;
  return view.status === "complete" && view.text === "" ? <p className="text-ink-3">{t("chat.noAnswer")}</p> : null;
}

/** An answer that is not whole, and by whose limit; only the model's own leaves something to go on with. */
function CutOff({ cut, onContinue }: { cut: Cut; onContinue: (() => void) | null }) {
  const { t } = useTranslation();
  return (
    <div role="note" className="flex flex-wrap items-center justify-between gap-3 rounded-md bg-sunk px-4 py-3 text-sm text-ink-2">
      <p>{t(`chat.cut.${cut}`)}</p>
      {cut === "length" && onContinue && <Button onClick={onContinue}>{t("chat.continue")}</Button>}
    </div>
  );
}

const STEPS = new Set(["queued", "started", "plan", "decide", "search", "retrieve", "answer", "resumed"] as const);
type Known = typeof STEPS extends Set<infer S> ? S : never;

function Step({ name, tool, writing }: { name: string | null; tool: string | null; writing: boolean }) {
  const { t } = useTranslation();
  if (writing && tool === null && name !== "resumed") return null;
  const known = (STEPS as Set<string | null>).has(name) ? (name as Known) : "other";
  return (
    <p className="flex h-7 items-center gap-3 text-ink-3">
      <span className="size-2 animate-breathe rounded-full bg-accent" />
      {tool === null ? t(`steps.${known}`) : t("steps.tool", { name: tool })}
    </p>
  );
}

function FailedAnswer({ error, onRetry }: { error: View["error"]; onRetry: (() => void) | null }) {
  const { t } = useTranslation();
  return (
    <div role="alert" className="flex flex-wrap items-center justify-between gap-3 rounded-md bg-danger-wash px-4 py-3">
      <div className="flex gap-3">
        <Icon name="warning" className="mt-0.5 shrink-0 text-danger" />
        <div>
          <p className="font-medium text-danger">{t("chat.failed")}</p>
          <p className="text-sm text-ink-2">{sayRefusal(new Problem(0, typeof error?.["code"] === "string" ? error["code"] : "run_failed", "", error ?? {}))}</p>
        </div>
      </div>
      {onRetry && (
        <Button icon="retry" onClick={onRetry}>
          {t("chat.regenerate")}
        </Button>
      )}
    </div>
  );
}

function Sources({ citations, onOpen }: { citations: readonly Citation[]; onOpen: (citation: Citation) => void }) {
  const { t } = useTranslation();
  if (citations.length === 0) return null;
  return (
    <ul aria-label={t("sources.cited")} className="mt-1 flex flex-wrap gap-2">
      {citations.map((one) => (
        <li key={one.number} className="max-w-full">
          <button type="button" aria-label={t("sources.open", { number: one.number, title: one.title })} title={one.snippet} onClick={() => onOpen(one)} className="flex max-w-full items-center gap-2 rounded-md border border-line bg-raised py-1 pr-3 pl-1 text-sm transition-colors hover:border-accent">
            <span className="grid h-6 min-w-6 place-items-center rounded-sm bg-accent-wash px-1 text-xs font-semibold text-accent">{one.number}</span>
            <span className="truncate">{one.title}</span>
            {one.page !== null && <span className="shrink-0 text-ink-3">{t("sources.page", { page: one.page })}</span>}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Foot({ view, last, onRetry }: { view: View; last: boolean; onRetry: () => void }) {
  const { t, i18n } = useTranslation();
  const small = useIsBuiltIn(view.model);
  const number = new Intl.NumberFormat(i18n.language);
  const copy = async () => {
    if (await copyText(view.text)) toast(t("common.copied"));
  };
  return (
    <footer className="-ml-2 flex min-h-9 flex-wrap items-center gap-x-1 text-sm text-ink-3">
      {view.text !== "" && <IconButton icon="copy" size={16} label={t("chat.copyAnswer")} onClick={() => void copy()} />}
      {last && view.status !== "failed" && <IconButton icon="retry" size={16} label={t("chat.regenerate")} onClick={onRetry} />}
      {small && view.text !== "" && <span className="ml-2">{t("chat.small")}</span>}
      {view.usage && (
        <span className={cx("ml-auto hidden tabular-nums opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 md:inline")}>
          {t("chat.tokens", { input: number.format(view.usage.input_tokens), output: number.format(view.usage.output_tokens) })}
          <Cost usage={view.usage} language={i18n.language} />
        </span>
      )}
    </footer>
  );
}

function Cost({ usage, language }: { usage: Receipt; language: string }) {
  if (!usage.cost || usage.cost.micros === 0) return null;
  return ` · ${new Intl.NumberFormat(language, { style: "currency", currency: usage.cost.currency, maximumSignificantDigits: 2 }).format(usage.cost.micros / 1e6)}`;
}
