import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { Failed, Field, FormDialog, SkeletonList } from "@/kernel/ui";
import { useIdentities } from "./security";

interface SectionProps {
  title: string;
  lead?: string;
  children: ReactNode;
}

/** One subject of the settings: what it is on the left, what one can do about it on the right. */
export function Section({ title, lead, children }: SectionProps) {
  return (
    <section className="grid gap-4 border-t border-line py-7 first:border-t-0 md:grid-cols-[200px_1fr] md:gap-8">
      <div>
        <h2 className="text-lg font-semibold">{title}</h2>
        {lead !== undefined && <p className="mt-1 text-sm text-ink-3">{lead}</p>}
      </div>
      <div className="flex min-w-0 flex-col gap-4">{children}</div>
    </section>
  );
}

/** A thing in a list of the settings: its name, what one should know of it, what one can do with it. */
export function Item({ name, note, action }: { name: ReactNode; note?: ReactNode; action?: ReactNode }) {
  return (
    <li className="flex min-h-14 items-center justify-between gap-3 border-b border-line py-2 last:border-b-0">
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-2">{name}</div>
        {note !== undefined && <p className="text-sm text-ink-3">{note}</p>}
      </div>
      {action !== undefined && <div className="flex shrink-0 items-center">{action}</div>}
    </li>
  );
}

interface LoadedProps<T> {
  query: { data: T | undefined; isError: boolean; error: unknown; refetch: () => unknown };
  rows?: number;
  children: (data: T) => ReactNode;
}

/** What was asked of the server: its shape while it is on its way, a way out when it failed. */
export function Loaded<T>({ query, rows = 2, children }: LoadedProps<T>) {
  const { t } = useTranslation();
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.isError) return <Failed title={t("mine.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  return <SkeletonList rows={rows} className="h-12" />;
}

interface SureProps {
  title: string;
  lead?: string;
  submit: string;
  danger?: boolean;
  busy: boolean;
  error: unknown;
  password: string;
  onPassword: (password: string) => void;
  onSubmit: () => void;
  onClose: () => void;
  children?: ReactNode;
}

/** A dialog for something grave: asks for the password, so that nobody else does it at an open screen. */
export function Sure({ title, lead, submit, danger = false, busy, error, password, onPassword, onSubmit, onClose, children }: SureProps) {
  const { t } = useTranslation();
  // Whoever signs in by a provider may have no password; the server then asks for a fresh sign-in instead.
  const who = useStore(auth);
  const mayHaveNone = (useIdentities().data?.length ?? 0) > 0;
  return (
    <FormDialog open title={title} {...(lead === undefined ? {} : { lead })} submit={submit} danger={danger} busy={busy} error={error} onSubmit={onSubmit} onClose={onClose}>
      {/* For password managers, which want to know whose password it is. */}
      <input type="text" hidden readOnly autoComplete="username" value={who.state === "in" ? who.user.email : ""} />
      <Field label={t("mine.passwordNow")} name="password" type="password" autoComplete="current-password" hint={mayHaveNone ? t("mine.passwordMaybe") : undefined} value={password} onChange={(event) => onPassword(event.target.value)} />
      {children}
    </FormDialog>
  );
}
