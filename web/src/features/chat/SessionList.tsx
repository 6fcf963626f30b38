import { type KeyboardEvent, type ReactNode, useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { type Age, ageOf } from "@/kernel/time";
import { Button, Confirm, cx, Failed, IconButton, Menu, MenuItem, SearchField, SkeletonList, toast } from "@/kernel/ui";
import { type Session, titleOf, useDeleteSession, useRenameSession, useSessions } from "./api";

interface SessionListProps {
  current: string | null;
  /** A link to a session, made by whoever knows the addresses. */
  link: (id: string, className: string, current: boolean, title: string) => ReactNode;
  onDeleted: (id: string) => void;
}

const AGES: readonly Age[] = ["today", "yesterday", "week", "older"];

export function SessionList({ current, link, onDeleted }: SessionListProps) {
  const { t } = useTranslation();
  const [q, setQ] = useState("");
  const [doomed, setDoomed] = useState<Session | null>(null);
  return (
    <>
      <div className="px-3">
        <SearchField id="session-search" label={t("sessions.search")} value={q} onChange={setQ} />
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- arrow keys move between the links inside */}
      <nav aria-label={t("sessions.list")} className="min-h-0 flex-1 overflow-y-auto px-3 pb-4" onKeyDown={walk}>
        <Shelves q={useDeferredValue(q.trim())} current={current} link={link} onDelete={setDoomed} />
      </nav>
      <Delete session={doomed} onClose={() => setDoomed(null)} onDeleted={onDeleted} />
    </>
  );
}

/** Up and down go from session to session. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("a[data-session]")];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  const next = links[event.key === "ArrowDown" ? at + 1 : at - 1];
  if (at === -1 || !next) return;
  event.preventDefault();
  next.focus();
}

interface ShelvesProps {
  q: string;
  current: string | null;
  link: SessionListProps["link"];
  onDelete: (session: Session) => void;
}

function Shelves({ q, current, link, onDelete }: ShelvesProps) {
  const { t } = useTranslation();
  const query = useSessions(q);
  if (query.isError && !query.data) return <Failed title={t("sessions.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <SkeletonList rows={6} className="h-9" />;
  const items = query.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <p className="px-3 py-4 text-sm text-ink-3">{q ? t("sessions.noMatch", { query: q }) : t("sessions.empty")}</p>;
  return (
    <>
      {AGES.map((age) => {
        const shelf = items.filter((one) => ageOf(one.updated_at) === age);
        if (shelf.length === 0) return null;
        return (
          <section key={age} className="pt-4">
            <h2 className="px-3 pb-1 text-xs text-ink-3">{t(`sessions.${age}`)}</h2>
            <ul>
              {shelf.map((one) => (
                <Row key={one.id} session={one} current={one.id === current} link={link} onDelete={() => onDelete(one)} />
              ))}
            </ul>
          </section>
        );
      })}
      {query.hasNextPage && (
        <Button kind="quiet" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()} className="mt-2 w-full">
          {t("common.more")}
        </Button>
      )}
    </>
  );
}

function Row({ session, current, link, onDelete }: { session: Session; current: boolean; link: SessionListProps["link"]; onDelete: () => void }) {
  const { t } = useTranslation();
  const [renaming, setRenaming] = useState(false);
  const title = titleOf(session) ?? t("sessions.untitled");
  if (renaming) return <Rename session={session} onDone={() => setRenaming(false)} />;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- F2 on what is inside; the menu is the first way
    <li
      className={cx("group relative flex items-center rounded-md transition-colors", current ? "bg-accent-wash" : "hover:bg-sunk")}
      onKeyDown={(event) => {
        if (event.key === "F2") setRenaming(true);
      }}
    >
      {link(session.id, cx("min-w-0 flex-1 truncate rounded-md py-2 pr-9 pl-3", current ? "font-medium text-ink" : "text-ink-2 group-hover:text-ink"), current, title)}
      {session.active_run_id !== null && <span title={t("sessions.answering")} className="absolute right-10 size-2 animate-breathe rounded-full bg-accent" />}
      <span className="absolute right-0.5 opacity-100 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 has-[[data-state=open]]:opacity-100 md:opacity-0">
        <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: title })} />}>
          <MenuItem icon="pencil" onSelect={() => setRenaming(true)}>
            {t("common.rename")}
          </MenuItem>
          <MenuItem icon="trash" danger onSelect={onDelete}>
            {t("common.delete")}
          </MenuItem>
        </Menu>
      </span>
    </li>
  );
}

function Rename({ session, onDone }: { session: Session; onDone: () => void }) {
  const { t } = useTranslation();
  const rename = useRenameSession();
  const [title, setTitle] = useState(titleOf(session) ?? "");
  const save = () => {
    const next = title.trim();
    if (next !== "" && next !== session.title) rename.mutate({ id: session.id, title: next }, { onError: (error) => toast(sayError(codeOf(error)), { danger: true }) });
    onDone();
  };
  return (
    <li>
      <input
        ref={(input) => input?.focus()}
        aria-label={t("sessions.renameTitle")}
        value={title}
        maxLength={200}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setTitle(event.target.value)}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter") save();
          if (event.key !== "Escape") return;
          event.preventDefault(); // or the dialog around would close as well
          onDone();
        }}
        className="h-10 w-full rounded-md border border-accent bg-raised px-3 focus-visible:outline-offset-0"
      />
    </li>
  );
}

function Delete({ session, onClose, onDeleted }: { session: Session | null; onClose: () => void; onDeleted: (id: string) => void }) {
  const { t } = useTranslation();
  const remove = useDeleteSession();
  const confirm = () => {
    if (!session) return;
    remove.mutate(session.id, {
      onSuccess: () => {
        onDeleted(session.id);
        toast(t("sessions.deleted"));
      },
      onError: (error) => toast(sayError(codeOf(error)), { danger: true }),
      onSettled: onClose,
    });
  };
  return (
    <Confirm
      open={session !== null}
      title={t("sessions.deleteTitle", { name: titleOf(session ?? undefined) ?? t("sessions.untitled") })}
      body={t("sessions.deleteBody")}
      action={t("common.delete")}
      busy={remove.isPending}
      onConfirm={confirm}
      onClose={onClose}
    />
  );
}
