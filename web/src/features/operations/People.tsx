import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { exact } from "@/kernel/time";
import { Badge, IconButton, Listing, Named, Nothing, Part, SearchField, Time } from "@/kernel/ui";
import { type Person, usePeople } from "./api";
import { nameOf, PersonPanel } from "./Person";

/** Everybody with an account. */
export function People({ meId }: { meId: string }) {
  const { t } = useTranslation();
  const [q, setQ] = useState("");
  const [opened, setOpened] = useState<Person | null>(null);
  const sought = useDeferredValue(q.trim());
  const pages = usePeople(sought);
  // As the list knows them now, which is asked again after every deed; who has left the list stays as they were.
  const shown = opened && (pages.items?.find((one) => one.id === opened.id) ?? opened);
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
          { key: "name", title: t("members.name"), cell: (person) => <Named name={<PersonName person={person} isMe={person.id === meId} onOpen={() => setOpened(person)} />} note={person.name === "" ? undefined : <span className="break-all">{person.email}</span>} /> },
          { key: "role", title: t("members.role"), wideOnly: true, cell: (person) => t(`people.${person.role}`) },
          { key: "since", title: t("people.since"), wideOnly: true, cell: (person) => <Time iso={person.created_at} className="text-ink-2" /> },
        ]}
        actions={(person) => <IconButton icon="forward" size={16} label={t("common.options", { name: nameOf(person) })} onClick={() => setOpened(person)} />}
      />
      {shown !== null && <PersonPanel person={shown} isMe={shown.id === meId} onClose={() => setOpened(null)} />}
    </Part>
  );
}

function PersonName({ person, isMe, onOpen }: { person: Person; isMe: boolean; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <span className="flex flex-wrap items-center gap-2">
      <button type="button" onClick={onOpen} className="rounded-sm text-left hover:text-accent hover:underline hover:underline-offset-4">
        {nameOf(person)}
      </button>
      {isMe && <Badge>{t("members.you")}</Badge>}
      {person.role === "supervisor" && (
        <span className="md:hidden">
          <Badge tone="good">{t("people.supervisor")}</Badge>
        </span>
      )}
      {person.is_disabled && <Badge tone="bad">{t("people.disabled")}</Badge>}
      {person.deletion_at !== null && (
        <span title={exact(person.deletion_at, i18n.language)}>
          <Badge tone="bad">{t("people.leaving")}</Badge>
        </span>
      )}
    </span>
  );
}
