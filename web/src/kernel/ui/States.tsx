import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { exact, relative } from "@/kernel/time";
import { Button } from "./Button";
import { cx } from "./classes";
import { Mark } from "./Icon";

export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden="true" className={cx("block animate-breathe rounded-sm bg-line", className)} />;
}

/** The shape of a list that is on its way. */
export function SkeletonList({ rows, className }: { rows: number; className: string }) {
  const { t } = useTranslation();
  return (
    <div role="status" aria-label={t("common.loading")} className="flex flex-col gap-3">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} className={className} />
      ))}
    </div>
  );
}

/** A screen or list with nothing in it: says so, and offers what to do. */
export function Empty({ title, body, children }: { title: string; body?: string; children?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-form flex-col items-center gap-3 px-4 py-12 text-center">
      <Mark size={40} />
      <h2 className="mt-2 text-lg font-semibold">{title}</h2>
      {body !== undefined && <p className="text-ink-2">{body}</p>}
      {children !== undefined && <div className="mt-2 flex gap-2">{children}</div>}
    </div>
  );
}

/** What failed, why, and the way out. */
export function Failed({ title, error, onRetry }: { title: string; error: unknown; onRetry: () => void }) {
  const { t } = useTranslation();
  return (
    <div role="alert" className="flex flex-col items-start gap-2 rounded-md bg-danger-wash p-4">
      <p className="font-medium text-danger">{title}</p>
      <p className="text-sm text-ink-2">{sayError(codeOf(error))}</p>
      <Button onClick={onRetry} icon="retry" className="mt-1">
        {t("common.retry")}
      </Button>
    </div>
  );
}

interface TimeProps {
  iso: string;
  className?: string;
  /** The words around it. */
  say?: (when: string) => string;
}

/** How long ago, or until when; the exact time on hover. */
export function Time({ iso, className, say = (when) => when }: TimeProps) {
  const { i18n } = useTranslation();
  return (
    <time dateTime={iso} title={exact(iso, i18n.language)} className={cx("whitespace-nowrap", className)}>
      {say(relative(iso, i18n.language))}
    </time>
  );
}
