import { type DragEvent, type ReactNode, useDeferredValue, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Button, Confirm, cx, Empty, Failed, Icon, SearchField, SkeletonList, toast } from "@/kernel/ui";
import { type Document, useAccepted, useDeleteDocument, useDocuments } from "./api";
import { DocumentRow, UploadRow } from "./DocumentRow";
import { SourcePanel } from "./SourcePanel";
import { addUploads, uploads } from "./uploads";

export function Documents() {
  const { t } = useTranslation();
  useTitle(t("documents.title"));
  const [q, setQ] = useState("");
  const [doomed, setDoomed] = useState<Document | null>(null);
  const [viewed, setViewed] = useState<Document | null>(null);
  const add = (files: readonly File[]) => addUploads(files, (name) => toast(t("documents.duplicate", { name })));
  return (
    <div className="flex h-full">
      <DropZone onFiles={add}>
        <div className="mx-auto flex w-full max-w-page flex-col gap-6 px-5 pt-8 pb-24 md:pt-14">
          <div className="flex flex-wrap items-start justify-between gap-4">
            <div>
              <h1 className="text-2xl font-semibold">{t("documents.title")}</h1>
              <p className="mt-1 text-ink-2">{t("documents.lead")}</p>
            </div>
            <PickFiles onFiles={add} />
          </div>
          <SearchField label={t("documents.search")} value={q} onChange={setQ} />
          <Uploads />
          <List q={useDeferredValue(q.trim())} onDelete={setDoomed} onView={setViewed} onFiles={add} />
        </div>
      </DropZone>
      {viewed && <SourcePanel source={{ document_id: viewed.id, title: viewed.title, page: 1, snippet: null }} onClose={() => setViewed(null)} />}
      <Delete document={doomed} onClose={() => setDoomed(null)} />
    </div>
  );
}

function Uploads() {
  const all = useStore(uploads);
  if (all.length === 0) return null;
  return (
    <ul className="flex flex-col" aria-live="polite">
      {all.map((upload) => (
        <UploadRow key={upload.id} upload={upload} />
      ))}
    </ul>
  );
}

interface ListProps {
  q: string;
  onDelete: (document: Document) => void;
  onView: (document: Document) => void;
  onFiles: (files: readonly File[]) => void;
}

function List({ q, onDelete, onView, onFiles }: ListProps) {
  const { t } = useTranslation();
  const query = useDocuments(q);
  const uploading = useStore(uploads).length > 0;
  if (query.isError && !query.data) return <Failed title={t("documents.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <SkeletonList rows={4} className="h-16" />;
  const items = query.data.pages.flatMap((page) => page.items);
  if (items.length === 0 && q !== "") return <p className="py-8 text-center text-ink-3">{t("documents.noMatch", { query: q })}</p>;
  if (items.length === 0 && uploading) return null;
  if (items.length === 0) {
    return (
      <div className="rounded-lg border border-dashed border-line-strong/50">
        <Empty title={t("documents.empty")} body={t("documents.emptyBody")}>
          <PickFiles onFiles={onFiles} />
        </Empty>
        <p className="-mt-8 hidden pb-8 text-center text-sm text-ink-3 md:block">{t("documents.dropHint")}</p>
      </div>
    );
  }
  return (
    <>
      <ul aria-label={t("documents.list")} className="flex flex-col">
        {items.map((document) => (
          <DocumentRow key={document.id} document={document} onDelete={() => onDelete(document)} onView={() => onView(document)} />
        ))}
      </ul>
      {query.hasNextPage && (
        <Button kind="quiet" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()} className="self-center">
          {t("common.more")}
        </Button>
      )}
    </>
  );
}

function PickFiles({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const accept = useAccepted();
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept={accept}
        onChange={({ target }) => {
          onFiles([...(target.files ?? [])]);
          target.value = "";
        }}
      />
      <Button kind="primary" icon="upload" onClick={() => input.current?.click()}>
        {t("documents.upload")}
      </Button>
    </>
  );
}

function DropZone({ onFiles, children }: { onFiles: (files: readonly File[]) => void; children: ReactNode }) {
  const { t } = useTranslation();
  const [depth, setDepth] = useState(0);
  const over = (event: DragEvent, change: number) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDepth((before) => Math.max(0, before + change));
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setDepth(0);
    onFiles([...event.dataTransfer.files]);
  };
  return (
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions -- dropping is a second way; the button is the first
    <div className="relative h-full min-w-0 flex-1" onDragEnter={(event) => over(event, 1)} onDragOver={(event) => over(event, 0)} onDragLeave={(event) => over(event, -1)} onDrop={drop}>
      <div className="h-full overflow-y-auto">{children}</div>
      <div aria-hidden={depth === 0} className={cx("pointer-events-none absolute inset-3 grid place-items-center rounded-lg border-2 border-dashed border-accent bg-accent-wash/90 transition-opacity", depth === 0 && "opacity-0")}>
        <span className="flex items-center gap-3 text-lg font-semibold text-accent">
          <Icon name="upload" size={24} />
          {t("documents.drop")}
        </span>
      </div>
    </div>
  );
}

function Delete({ document, onClose }: { document: Document | null; onClose: () => void }) {
  const { t } = useTranslation();
  const remove = useDeleteDocument();
  const confirm = () => {
    if (!document) return;
    remove.mutate(document.id, {
      onSuccess: () => toast(t("documents.deleted")),
      onError: (error) => toast(sayError(codeOf(error)), { danger: true }),
      onSettled: onClose,
    });
  };
  return (
    <Confirm
      open={document !== null}
      title={t("documents.deleteTitle", { name: document?.title ?? "" })}
      body={t("documents.deleteBody")}
      action={t("common.delete")}
      busy={remove.isPending}
      onConfirm={confirm}
      onClose={onClose}
    />
  );
}
