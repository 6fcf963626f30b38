import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf, Problem } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Failed, IconButton, SkeletonList, toast } from "@/kernel/ui";
import { Notes } from "./Notes";
import { originalUrl, useDocument, usePage } from "./api";
import { locate } from "./highlight";

export interface Source {
  document_id: string;
  title: string;
  page: number | null;
  /** The passage to highlight; without it the page is only shown. */
  snippet: string | null;
}

/** A page of a document, with the quoted passage marked. Beside the conversation on a desktop, over it on a phone. */
export function SourcePanel({ source, onClose }: { source: Source; onClose: () => void }) {
  const close = useBack(onClose);
  return <Panel key={`${source.document_id} ${source.page ?? ""} ${source.snippet ?? ""}`} source={source} onClose={close} />;
}

/** On a phone the panel is a screen of its own, so the browser's back button closes it; so does what this returns. */
function useBack(onClose: () => void): () => void {
  const closed = useEffectEvent(onClose);
  useEffect(() => {
    const back = () => closed();
    history.pushState(history.state, "");
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  return () => history.back();
}

function Panel({ source, onClose }: { source: Source; onClose: () => void }) {
  const { t } = useTranslation();
  const cited = source.page ?? 1;
  const [page, setPage] = useState(cited);
  const document = useDocument(source.document_id).data;
  const pages = document?.pages ?? cited;
  const panel = useRef<HTMLElement>(null);
  const [opener] = useState(() => window.document.activeElement);
  useEffect(() => {
    panel.current?.focus();
    return () => {
      // Only from the panel itself: whoever went on to something else stays there.
      if (window.document.activeElement === window.document.body && opener instanceof HTMLElement) opener.focus();
    };
  }, [opener]);
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- Escape closes from anywhere inside
    <aside
      ref={panel}
      tabIndex={-1}
      aria-label={`${t("sources.title")}: ${source.title}`}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
      className="fixed inset-0 z-40 flex animate-rise flex-col bg-ground outline-none lg:static lg:z-auto lg:w-[440px] lg:shrink-0 lg:border-l lg:border-line"
    >
      <header className="flex items-center gap-1 border-b border-line py-2 pr-2 pl-5">
        <h2 className="min-w-0 flex-1 truncate font-semibold" title={source.title}>
          {source.title}
        </h2>
        <OpenOriginal id={source.document_id} filename={document?.filename ?? source.title} />
        <IconButton icon="close" label={t("common.close")} onClick={onClose} />
      </header>
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto px-5 py-5">
        {document && <Notes document={document} />}
        <PageText key={page} id={source.document_id} page={page} snippet={page === cited ? source.snippet : null} quote={source.snippet} />
      </div>
      <footer className="flex items-center justify-between border-t border-line px-3 py-2 text-sm text-ink-2">
        <IconButton icon="back" label={t("sources.previous")} disabled={page <= 1} onClick={() => setPage(page - 1)} />
        <span>
          {t("sources.page", { page })}
          <span className="text-ink-3"> / {pages}</span>
        </span>
        <IconButton icon="forward" label={t("sources.next")} disabled={page >= pages} onClick={() => setPage(page + 1)} />
      </footer>
    </aside>
  );
}

function OpenOriginal({ id, filename }: { id: string; filename: string }) {
  const { t } = useTranslation();
  const open = async () => {
    try {
      const { url, shown } = await originalUrl(id);
      const link = document.createElement("a");
      link.href = url;
      if (shown) link.target = "_blank";
      else link.download = filename;
      link.rel = "noopener";
      link.click();
    } catch (error) {
      toast(sayError(codeOf(error)), { danger: true });
    }
  };
  return <IconButton icon="external" label={t("sources.original")} onClick={() => void open()} />;
}

function PageText({ id, page, snippet, quote }: { id: string; page: number; snippet: string | null; quote: string | null }) {
  const { t } = useTranslation();
  const query = usePage(id, page);
  if (query.error instanceof Problem && query.error.status === 404) return <Quote note={t("sources.gone")} quote={quote} />;
  if (query.isError) return <Failed title={t("sources.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <SkeletonList rows={9} className="h-4" />;
  if (query.data.text.trim() === "") return <p className="text-ink-3">{t("sources.emptyPage")}</p>;
  return <Marked text={query.data.text} snippet={snippet} />;
}

function Marked({ text, snippet }: { text: string; snippet: string | null }) {
  const { t } = useTranslation();
  const mark = useRef<HTMLElement>(null);
  const place = snippet === null ? null : locate(text, snippet);
  useEffect(() => {
    mark.current?.scrollIntoView({ block: "center" });
  }, []);
  return (
    <>
      {snippet !== null && place === null && <Quote note={t("sources.notFound")} quote={snippet} />}
      <p className="leading-7 whitespace-pre-wrap">
        {place === null ? (
          text.trim()
        ) : (
          <>
            {text.slice(0, place[0]).trimStart()}
            <mark ref={mark} className="rounded-sm bg-mark py-1 text-ink">
              {text.slice(place[0], place[1])}
            </mark>
            {text.slice(place[1]).trimEnd()}
          </>
        )}
      </p>
    </>
  );
}

function Quote({ note, quote }: { note: string; quote: string | null }) {
  const { t } = useTranslation();
  return (
    <div className="mb-6 flex flex-col gap-3">
      <p className="text-sm text-ink-3">{note}</p>
      {quote !== null && (
        <blockquote aria-label={t("sources.quoted")} className="border-l-2 border-accent pl-4 text-ink-2">
          {quote}
        </blockquote>
      )}
    </div>
  );
}
