import { useTranslation } from "react-i18next";
import { sayError } from "@/kernel/i18n";
import { fileSize } from "@/kernel/time";
import { Button, cx, Icon, IconButton, Time, toast } from "@/kernel/ui";
import { type Document, unfinished, useRetryDocument } from "./api";
import { Notes } from "./Notes";
import { dismissUpload, retryUpload, type Upload } from "./uploads";

const ROW = "flex min-h-16 items-center gap-3 border-b border-line py-3";

function Sheet({ bad = false }: { bad?: boolean }) {
  return (
    <span className={cx("grid size-10 shrink-0 place-items-center rounded-md", bad ? "bg-danger-wash text-danger" : "bg-accent-wash text-accent")}>
      <Icon name={bad ? "warning" : "document"} />
    </span>
  );
}

function Bar({ label, value }: { label: string; value: number }) {
  return <progress aria-label={label} max={1} value={value} className="mt-2 block h-1 w-full appearance-none overflow-hidden rounded-full [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-line [&::-webkit-progress-value]:bg-accent [&::-webkit-progress-value]:transition-all" />;
}

export function DocumentRow({ document, onDelete, onView }: { document: Document; onDelete: () => void; onView: () => void }) {
  const { t, i18n } = useTranslation();
  const failed = document.status === "failed";
  const retry = useRetryDocument();
  return (
    <li className={ROW}>
      <Sheet bad={failed} />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium" title={document.filename}>
          {document.status === "ready" ? (
            <button type="button" aria-label={t("documents.view", { name: document.title })} onClick={onView} className="max-w-full truncate rounded-sm text-left hover:text-accent hover:underline hover:underline-offset-4">
              {document.title}
            </button>
          ) : (
            document.title
          )}
        </p>
        {failed ? (
          <p className="text-sm text-danger">{sayError(document.error?.code ?? "document_failed")}</p>
        ) : (
          <p className="flex flex-wrap gap-x-3 text-sm text-ink-3">
            {unfinished(document) ? <Stage document={document} /> : <span>{t("documents.pages", { count: document.pages })}</span>}
            <span>{fileSize(document.size, i18n.language)}</span>
            <Time iso={document.created_at} />
          </p>
        )}
        {document.status === "ready" && <Notes document={document} />}
        {unfinished(document) && <Bar label={t("documents.progress", { name: document.title })} value={document.progress} />}
      </div>
      {failed && (
        <Button icon="retry" busy={retry.isPending} onClick={() => retry.mutate(document.id, { onError: () => toast(sayError("document_failed"), { danger: true }) })}>
          <span className="sr-only md:not-sr-only">{t("common.retry")}</span>
        </Button>
      )}
      <IconButton icon="trash" label={`${t("common.delete")}: ${document.title}`} onClick={onDelete} />
    </li>
  );
}

function Stage({ document }: { document: Document }) {
  const { t } = useTranslation();
  if (document.error) return <span className="text-accent">{t("documents.waiting")}</span>;
  const name = document.stage ?? (document.status === "queued" ? "queued" : "processing");
  return (
    <span className="text-accent">
      {t(`documents.${name}`)} {document.stage && `${Math.round(document.progress * 100)}%`}
    </span>
  );
}

export function UploadRow({ upload }: { upload: Upload }) {
  const { t, i18n } = useTranslation();
  const { file, error, progress } = upload;
  return (
    <li className={ROW}>
      <Sheet bad={error !== null} />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">{file.name}</p>
        {error === null ? (
          <p className="flex gap-x-3 text-sm text-ink-3">
            <span className="text-accent">{t("documents.uploading")}</span>
            <span>{fileSize(file.size, i18n.language)}</span>
          </p>
        ) : (
          <p className="text-sm text-danger">{sayError(error)}</p>
        )}
        {error === null && <Bar label={t("documents.progress", { name: file.name })} value={progress} />}
      </div>
      {error !== null && (
        <>
          <Button icon="retry" onClick={() => retryUpload(upload, (name) => toast(t("documents.duplicate", { name })))}>
            <span className="sr-only md:not-sr-only">{t("common.retry")}</span>
          </Button>
          <IconButton icon="close" label={t("documents.dismiss")} onClick={() => dismissUpload(upload.id)} />
        </>
      )}
    </li>
  );
}
