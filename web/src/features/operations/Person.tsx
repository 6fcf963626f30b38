import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { exact } from "@/kernel/time";
import { Badge, Button, Deed, Dialog, Fact, IconButton, Note, Time, toast } from "@/kernel/ui";
import { type Person, useDisable, useRestorePerson, useSendLetter } from "./api";
import { type Asked, PersonAsk } from "./PersonAsk";

export const nameOf = (person: Person) => person.name || person.email;

interface PersonProps {
  person: Person;
  /** Whether it is one's own account: much of it is then found in one's own settings. */
  isMe: boolean;
  onClose: () => void;
}

/** One person: who they are, and what a supervisor can do about their ways in. A screen of its own on a phone. */
export function PersonPanel({ person, isMe, onClose }: PersonProps) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const [asked, setAsked] = useState<Asked | null>(null);
  return (
    <>
      <Dialog open onClose={onClose} labelledBy={id} className="m-0 ml-auto h-dvh max-h-none w-full max-w-none animate-rise overflow-y-auto border-line bg-ground shadow-pop md:w-[440px] md:border-l">
        <div className="flex flex-col gap-6 px-5 pt-4 pb-10">
          <header className="flex items-start justify-between gap-3">
            <div className="min-w-0 pt-1">
              <h2 id={id} className="text-lg font-semibold">
                {nameOf(person)}
              </h2>
              {person.name !== "" && <p className="break-all text-ink-2">{person.email}</p>}
            </div>
            <IconButton icon="close" label={t("common.close")} onClick={onClose} className="-mr-2" />
          </header>
          <Facts person={person} />
          {person.deletion_at !== null && <Note tone="bad">{t("person.goes", { when: exact(person.deletion_at, i18n.language) })}</Note>}
          {isMe && <Note>{t("person.mine")}</Note>}
          <Deeds person={person} isMe={isMe} onAsk={setAsked} />
        </div>
      </Dialog>
      {/* Beside the panel and not in it: React tells a dialog around of the closing of one inside. */}
      {asked !== null && <PersonAsk asked={asked} person={person} name={nameOf(person)} onClose={() => setAsked(null)} />}
    </>
  );
}

function Facts({ person }: { person: Person }) {
  const { t } = useTranslation();
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-4">
      <Fact label={t("members.role")}>{t(`people.${person.role}`)}</Fact>
      <Fact label={t("people.since")}>
        <Time iso={person.created_at} />
      </Fact>
      <Fact label={t("person.address")}>{person.email_verified ? t("person.proved") : t("person.unproved")}</Fact>
      <Fact label={t("organisations.status")}>{person.deletion_at !== null ? <Badge tone="bad">{t("people.leaving")}</Badge> : person.is_disabled ? <Badge tone="bad">{t("people.disabled")}</Badge> : t("places.active")}</Fact>
    </dl>
  );
}

interface DeedsProps {
  person: Person;
  isMe: boolean;
  onAsk: (asked: Asked) => void;
}

function Deeds({ person, isMe, onAsk }: DeedsProps) {
  const { t } = useTranslation();
  const usable = !person.is_disabled && person.deletion_at === null;
  const deed = (what: Asked, grave = false) => (
    <Deed narrow title={t(`person.${what}`)} lead={t(`person.${what}Lead`)}>
      <Button kind={grave ? "grave" : "plain"} onClick={() => onAsk(what)}>
        {t(`person.${what}Do`)}
      </Button>
    </Deed>
  );
  return (
    <ul className="flex flex-col">
      {person.role === "supervisor" ? deed("unmake") : usable && deed("make")}
      {!isMe && (
        <>
          {deed("endSignIns")}
          {deed("resetFactors")}
          {usable && <LetterDeed person={person} />}
          {person.is_disabled ? <EnableDeed person={person} /> : deed("disable")}
          {person.deletion_at === null ? deed("delete", true) : <RestoreDeed person={person} />}
        </>
      )}
    </ul>
  );
}

function LetterDeed({ person }: { person: Person }) {
  const { t } = useTranslation();
  const letter = useSendLetter();
  const send = () => letter.mutate(person.id, { onSuccess: () => toast(t("person.letterSent", { email: person.email })) });
  return (
    <Deed narrow title={t("person.letter")} lead={t("person.letterLead")}>
      <Button icon="mail" busy={letter.isPending} onClick={send}>
        {t("person.letterDo")}
      </Button>
    </Deed>
  );
}

function EnableDeed({ person }: { person: Person }) {
  const { t } = useTranslation();
  const enable = useDisable();
  const allow = () => enable.mutate({ id: person.id, name: person.name, is_disabled: false }, { onSuccess: () => toast(t("people.enabledToast", { name: nameOf(person) })) });
  return (
    <Deed narrow title={t("people.enable")} lead={t("person.enableLead")}>
      <Button icon="retry" busy={enable.isPending} onClick={allow}>
        {t("people.enable")}
      </Button>
    </Deed>
  );
}

function RestoreDeed({ person }: { person: Person }) {
  const { t } = useTranslation();
  const restore = useRestorePerson();
  const keep = () => restore.mutate(person.id, { onSuccess: () => toast(t("people.restored", { name: nameOf(person) })) });
  return (
    <Deed narrow title={t("places.restore")} lead={t("person.restoreLead")}>
      <Button icon="retry" busy={restore.isPending} onClick={keep}>
        {t("places.restore")}
      </Button>
    </Deed>
  );
}
