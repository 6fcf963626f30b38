import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { exact } from "@/kernel/time";
import { Badge, Confirm, IconButton, Listing, Menu, MenuItem, Named, Nothing, Part, SearchField, Time, toast } from "@/kernel/ui";
import { type Person, useDeletePerson, useDisable, usePeople, useRestorePerson } from "./api";

type Asked = { what: "disable" | "delete"; person: Person } | null;

const nameOf = (person: Person) => person.name || person.email;

/** Everybody with an account. */
export function People({ meId }: { meId: string }) {
  const { t } = useTranslation();
  const [q, setQ] = useState("");
  const [asked, setAsked] = useState<Asked>(null);
  const sought = useDeferredValue(q.trim());
  const pages = usePeople(sought);
  return (
    <Part title={t("people.title")} lead={t("people.lead")}>
      <SearchField label={t("people.search")} value={q} onChange={setQ} />
      <Listing
        label={t("people.title")}
        pages={pages}
        failed={t("people.failed")}
        empty={<Nothing>{t("house.noMatch", { query: sought })}</Nothing>}
        rowKey={(person) => person.id}
        faded={(person) => person.is_disabled}
        columns={[
          { key: "name", title: t("members.name"), cell: (person) => <Named name={<PersonName person={person} isMe={person.id === meId} />} note={person.email} /> },
          { key: "role", title: t("members.role"), wideOnly: true, cell: (person) => t(`people.${person.role}`) },
          { key: "since", title: t("members.joined"), wideOnly: true, cell: (person) => <Time iso={person.created_at} className="text-ink-2" /> },
        ]}
        actions={(person) => (person.id === meId ? null : <PersonMenu person={person} onAsk={setAsked} />)}
      />
      <Ask asked={asked} onClose={() => setAsked(null)} />
    </Part>
  );
}

function PersonName({ person, isMe }: { person: Person; isMe: boolean }) {
  const { t, i18n } = useTranslation();
  return (
    <span className="flex flex-wrap items-center gap-2">
      {nameOf(person)}
      {isMe && <Badge>{t("members.you")}</Badge>}
      {person.is_disabled && <Badge tone="bad">{t("people.disabled")}</Badge>}
      {person.deletion_at !== null && (
        <span title={exact(person.deletion_at, i18n.language)}>
          <Badge tone="bad">{t("people.leaving")}</Badge>
        </span>
      )}
    </span>
  );
}

function PersonMenu({ person, onAsk }: { person: Person; onAsk: (asked: Asked) => void }) {
  const { t } = useTranslation();
  const disable = useDisable();
  const restore = useRestorePerson();
  return (
    <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: nameOf(person) })} />}>
      {person.is_disabled ? (
        <MenuItem icon="retry" onSelect={() => disable.mutate({ id: person.id, name: person.name, is_disabled: false }, { onSuccess: () => toast(t("people.enabledToast", { name: nameOf(person) })) })}>
          {t("people.enable")}
        </MenuItem>
      ) : (
        <MenuItem icon="stop" onSelect={() => onAsk({ what: "disable", person })}>
          {t("people.disable")}
        </MenuItem>
      )}
      {person.deletion_at === null ? (
        <MenuItem icon="trash" danger onSelect={() => onAsk({ what: "delete", person })}>
          {t("common.delete")}
        </MenuItem>
      ) : (
        <MenuItem icon="retry" onSelect={() => restore.mutate(person.id, { onSuccess: () => toast(t("people.restored", { name: nameOf(person) })) })}>
          {t("places.restore")}
        </MenuItem>
      )}
    </Menu>
  );
}

function Ask({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  const { t } = useTranslation();
  const disable = useDisable();
  const remove = useDeletePerson();
  const restore = useRestorePerson();
  if (asked === null) return null;
  const { what, person } = asked;
  const name = nameOf(person);
  const confirm = () => {
    if (what === "disable") {
      const undo = () => disable.mutate({ id: person.id, name: person.name, is_disabled: false });
      disable.mutate({ id: person.id, name: person.name, is_disabled: true }, { onSuccess: () => toast(t("people.disabledToast", { name }), { undo }), onSettled: onClose });
    } else {
      remove.mutate(person.id, { onSuccess: () => toast(t("people.deletedToast", { name }), { undo: () => restore.mutate(person.id) }), onSettled: onClose });
    }
  };
  return <Confirm open title={t(`people.${what}Title`, { name })} body={t(`people.${what}Body`)} action={what === "delete" ? t("common.delete") : t("people.disable")} busy={disable.isPending || remove.isPending} onConfirm={confirm} onClose={onClose} />;
}
