import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { exact } from "@/kernel/time";
import { Button, Listing, Named, Nothing, Part, Time, toast } from "@/kernel/ui";
import { type Scope, useDeleted, useTurn } from "./api";

/** What was deleted and can still be restored: organisations, or what lay directly beneath a place. Closed at first. */
export function Deleted({ parent }: { parent: string | null }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <div className="flex flex-col gap-6">
      <Button kind="quiet" icon="trash" aria-expanded={open} onClick={() => setOpen(!open)} className="-ml-4 self-start">
        {open ? t("deleted.hide") : t("deleted.show")}
      </Button>
      {open && (
        <Part title={t("deleted.title")} lead={t("deleted.lead")}>
          <DeletedPlaces parent={parent} empty={<Nothing>{t("deleted.empty")}</Nothing>} />
        </Part>
      )}
    </div>
  );
}

/** The deleted organisations that one owned, as long as there are any. */
export function MyDeleted() {
  const { t } = useTranslation();
  const { items } = useDeleted(null);
  if (items === null || items.length === 0) return null;
  return (
    <Part title={t("deleted.title")} lead={t("deleted.lead")}>
      <DeletedPlaces parent={null} empty={null} />
    </Part>
  );
}

function DeletedPlaces({ parent, empty }: { parent: string | null; empty: ReactNode }) {
  const { t } = useTranslation();
  const pages = useDeleted(parent);
  const until = (one: Scope) => one.removal_at !== null && <Until iso={one.removal_at} />;
  return (
    <Listing
      label={t("deleted.title")}
      pages={pages}
      failed={t("deleted.failed")}
      empty={empty}
      rowKey={(one) => one.id}
      columns={[
        { key: "name", title: t("places.name"), cell: (one) => <Named name={one.name} note={parent === null ? undefined : t(`places.${one.kind}`)} narrow={until(one)} /> },
        { key: "deleted", title: t("deleted.when"), wideOnly: true, cell: (one) => one.deleted_at !== null && <Time iso={one.deleted_at} className="text-ink-2" /> },
        { key: "until", title: t("deleted.until"), wideOnly: true, cell: until },
        { key: "restore", title: t("places.restore"), numeric: true, cell: (one) => <Restore place={one} /> },
      ]}
    />
  );
}

function Until({ iso }: { iso: string }) {
  const { t, i18n } = useTranslation();
  return (
    <span title={exact(iso, i18n.language)} className="text-ink-2">
      {t("deleted.goes", { when: new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(iso)) })}
    </span>
  );
}

function Restore({ place }: { place: Scope }) {
  const { t } = useTranslation();
  const turn = useTurn();
  const restore = () => turn.mutate({ id: place.id, turn: "restore" }, { onSuccess: () => toast(t("deleted.restored", { name: place.name })) });
  return (
    <Button icon="retry" busy={turn.isPending} aria-label={`${t("places.restore")}: ${place.name}`} onClick={restore} className="whitespace-nowrap">
      {t("places.restore")}
    </Button>
  );
}
