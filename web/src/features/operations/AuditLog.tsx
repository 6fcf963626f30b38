import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { saveFile } from "@/kernel/download";
import { sayName } from "@/kernel/i18n";
import { type Chosen, periodOf } from "@/kernel/period";
import { exact } from "@/kernel/time";
import { Button, Dialog, IconButton, Listing, Menu, MenuItem, Named, Nothing, Part, PeriodPicker, SearchField, Select, Time } from "@/kernel/ui";
import { type AuditEntry, type AuditFilter, useAudit, useExportAudit } from "./api";
import { sayDetail } from "./details";

/** Kinds of deeds, by how their actions begin. */
const KINDS = { all: "", entry: "accounts.sign", accounts: "accounts.", members: "organisations.member", invites: "organisations.invite", places: "organisations.", budgets: "usage.", exports: "operations." } as const;
type Kind = keyof typeof KINDS;

/** Who did what to what, from where: of a scope and what lies beneath it, or of the whole house. */
export function AuditLog({ scopeId }: { scopeId: string | null }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<Chosen>("30");
  const period = periodOf(chosen);
  const [q, setQ] = useState("");
  const [kind, setKind] = useState<Kind>("all");
  const [actor, setActor] = useState<AuditEntry | null>(null);
  const [shown, setShown] = useState<AuditEntry | null>(null);
  const filter: AuditFilter = { scope_id: scopeId, actor_id: actor?.actor_id ?? null, action: KINDS[kind], q: useDeferredValue(q.trim()), period };
  const pages = useAudit(filter);
  return (
    <Part title={t("audit.title")} lead={t("audit.lead")} action={<Export filter={filter} />}>
      <div className="flex flex-wrap gap-2">
        <div className="flex-1 basis-72">
          <SearchField label={t("audit.search")} value={q} onChange={setQ} />
        </div>
        <Select bare label={t("audit.what")} value={kind} options={(Object.keys(KINDS) as Kind[]).map((one) => [one, t(`audit.kind.${one}`)] as const)} onValue={setKind} className="min-w-36 flex-1 md:flex-none" />
        <PeriodPicker chosen={chosen} period={period} onChange={setChosen} />
      </div>
      {actor && (
        <p className="flex items-center gap-1 self-start rounded-full bg-accent-wash py-0.5 pr-1 pl-4 text-accent">
          {t("audit.only", { name: nameOf(actor, t("audit.system")) })}
          <IconButton icon="close" size={16} label={t("audit.everybody")} onClick={() => setActor(null)} className="size-8 text-accent" />
        </p>
      )}
      <Listing
        label={t("audit.title")}
        pages={pages}
        failed={t("audit.failed")}
        empty={<Nothing>{t("audit.empty")}</Nothing>}
        rowKey={(entry) => entry.id}
        columns={[
          {
            key: "action",
            title: t("audit.what"),
            cell: (entry) => (
              <Named
                name={
                  <button type="button" onClick={() => setShown(entry)} className="rounded-sm text-left hover:text-accent hover:underline hover:underline-offset-4">
                    {sayName("actions", entry.action)}
                  </button>
                }
                note={said(entry) === "" ? undefined : <span className="line-clamp-2">{said(entry)}</span>}
                narrow={
                  <>
                    <span>{nameOf(entry, t("audit.system"))}</span>
                    <Time iso={entry.created_at} />
                  </>
                }
              />
            ),
          },
          {
            key: "who",
            title: t("audit.who"),
            wideOnly: true,
            cell: (entry) =>
              entry.actor_id === null ? (
                <span className="whitespace-nowrap text-ink-3">{t("audit.system")}</span>
              ) : (
                <button type="button" title={t("audit.filterBy", { name: nameOf(entry, "") })} onClick={() => setActor(entry)} className="rounded-sm text-left wrap-anywhere hover:text-accent hover:underline hover:underline-offset-4">
                  {nameOf(entry, "")}
                </button>
              ),
          },
          { key: "address", title: t("audit.address"), wideOnly: true, cell: (entry) => <span className="text-ink-2">{entry.address || "–"}</span> },
          { key: "when", title: t("audit.when"), wideOnly: true, cell: (entry) => <Time iso={entry.created_at} className="whitespace-nowrap text-ink-2" /> },
        ]}
      />
      <Entry entry={shown} onClose={() => setShown(null)} />
    </Part>
  );
}

/** What of the details one wants to know at once: a name, an address, a role or a state before and after. */
function said({ details }: AuditEntry): string {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const role = (value: unknown) => (typeof value === "string" ? sayName("roles", value) : "");
  const standing = (value: unknown) => {
    if (typeof value !== "object" || value === null) return "";
    const { role: held, status } = value as { role?: unknown; status?: unknown };
    return [role(held), typeof status === "string" ? sayName("places", status) : ""].filter(Boolean).join(", ");
  };
  const turned = [standing(details["before"]), standing(details["after"])].filter(Boolean).join(" → ");
  return [text(details["name"]), text(details["email"]), role(details["role"]), turned].filter(Boolean).join(" · ");
}

function nameOf(entry: AuditEntry, nobody: string): string {
  return entry.actor_name || (entry.actor_id === null ? nobody : entry.actor_id.slice(0, 8));
}

function Export({ filter }: { filter: AuditFilter }) {
  const { t } = useTranslation();
  const exported = useExportAudit();
  const save = (format: "csv" | "jsonl") => exported.mutate({ filter, format }, { onSuccess: (content) => saveFile(`audit-${filter.period.from}-${filter.period.to}.${format}`, content) });
  return (
    <Menu
      trigger={
        <Button icon="arrowDown" busy={exported.isPending}>
          {t("audit.export")}
        </Button>
      }
    >
      <MenuItem icon="document" onSelect={() => save("csv")}>
        CSV
      </MenuItem>
      <MenuItem icon="document" onSelect={() => save("jsonl")}>
        JSON Lines
      </MenuItem>
    </Menu>
  );
}

/** Everything that was written down about one deed. */
function Entry({ entry, onClose }: { entry: AuditEntry | null; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  if (entry === null) return null;
  const lines: [string, string | null][] = [
    [t("audit.when"), exact(entry.created_at, i18n.language)],
    [t("audit.who"), nameOf(entry, t("audit.system"))],
    [t("audit.code"), entry.action],
    [t("audit.target"), [sayName("targets", entry.target_kind), entry.target_id].filter(Boolean).join(" ")],
    [t("audit.address"), entry.address],
    [t("audit.device"), entry.user_agent],
    [t("audit.request"), entry.request_id],
    ...Object.entries(entry.details).map(([key, value]): [string, string] => [sayName("details", key), sayDetail(key, value, i18n.language)]),
  ];
  return (
    <Dialog open onClose={onClose} label={sayName("actions", entry.action)} className="max-h-[calc(100dvh-32px)] w-[calc(100%-32px)] max-w-column animate-rise overflow-y-auto rounded-lg border border-line bg-raised shadow-pop">
      <div className="flex flex-col gap-4 p-6">
        <div className="flex items-start justify-between gap-4">
          <h2 className="text-lg font-semibold">{sayName("actions", entry.action)}</h2>
          <IconButton icon="close" label={t("common.close")} onClick={onClose} className="-mt-1 -mr-2" />
        </div>
        <dl className="grid gap-x-6 gap-y-2 md:grid-cols-[140px_1fr]">
          {lines
            .filter(([, value]) => value !== null && value !== "")
            .map(([label, value]) => (
              <div key={label} className="contents">
                <dt className="text-sm text-ink-3 md:leading-6">{label}</dt>
                <dd className="mb-2 break-all md:mb-0">{value}</dd>
              </div>
            ))}
        </dl>
      </div>
    </Dialog>
  );
}
