import { useState } from "react";
import { useTranslation } from "react-i18next";
import { count } from "@/kernel/numbers";
import { Badge, Button, Confirm, Field, FormDialog, IconButton, Listing, Menu, MenuItem, Named, Nothing, Part, Select, toast } from "@/kernel/ui";
import { type Scope, useAddChild, useChildren, useRename, useTurn } from "./api";
import { NameDialog } from "./NameDialog";
import { Deleted } from "./Deleted";
import { may, restores } from "./roles";
import type { Ways } from "./ways";

/** The partners and classes directly beneath a scope. */
export function Places({ scope, ways }: { scope: Scope; ways: Ways }) {
  const { t, i18n } = useTranslation();
  const [adding, setAdding] = useState(false);
  const pages = useChildren(scope.id);
  const creates = may(scope, "children.create");
  return (
    <Part
      title={scope.kind === "organisation" ? t("places.title") : t("places.classes")}
      lead={creates ? t("places.lead") : t("places.leadReading")}
      action={
        creates && (
          <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>
            {t("places.new")}
          </Button>
        )
      }
    >
      <Listing
        label={t("places.title")}
        pages={pages}
        failed={t("places.failed")}
        empty={<Nothing>{t("places.empty")}</Nothing>}
        rowKey={(one) => one.id}
        faded={(one) => one.status === "suspended"}
        columns={[
          { key: "name", title: t("places.name"), cell: (one) => <Named name={<PlaceName place={one} ways={ways} />} /> },
          { key: "kind", title: t("places.kind"), cell: (one) => t(`places.${one.kind}`) },
          { key: "members", title: t("organisations.members"), numeric: true, wideOnly: true, cell: (one) => (one.member_count === null ? "–" : count(one.member_count, i18n.language)) },
        ]}
        actions={(one) => <PlaceMenu place={one} />}
      />
      {restores(scope) && <Deleted parent={scope.id} />}
      {adding && <AddPlace scope={scope} onClose={() => setAdding(false)} onAdded={() => setAdding(false)} />}
    </Part>
  );
}

export function PlaceName({ place, ways }: { place: Scope; ways: Ways }) {
  const { t } = useTranslation();
  return (
    <span className="flex flex-wrap items-center gap-2">
      {ways.link(place.id, "overview", "line-clamp-3 rounded-sm hover:text-accent hover:underline hover:underline-offset-4", false, place.name)}
      {place.status === "suspended" && <Badge tone="bad">{t("places.suspended")}</Badge>}
    </span>
  );
}

type Asked = "rename" | "suspend" | "delete" | null;

/** What can be done with a scope in a list of them. */
export function PlaceMenu({ place }: { place: Scope }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState<Asked>(null);
  const turn = useTurn();
  const able = { rename: may(place, "scope.change"), suspend: may(place, "scope.suspend"), delete: may(place, "scope.delete") };
  if (!able.rename && !able.suspend && !able.delete) return null;
  return (
    <>
      <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: place.name })} />}>
        {able.rename && (
          <MenuItem icon="pencil" onSelect={() => setAsking("rename")}>
            {t("common.rename")}
          </MenuItem>
        )}
        {able.suspend && place.status === "active" && (
          <MenuItem icon="stop" onSelect={() => setAsking("suspend")}>
            {t("places.suspend")}
          </MenuItem>
        )}
        {able.suspend && place.status === "suspended" && (
          <MenuItem icon="retry" onSelect={() => turn.mutate({ id: place.id, turn: "resume" })}>
            {t("places.resume")}
          </MenuItem>
        )}
        {able.delete && (
          <MenuItem icon="trash" danger onSelect={() => setAsking("delete")}>
            {t("common.delete")}
          </MenuItem>
        )}
      </Menu>
      <Ask place={place} asking={asking} onClose={() => setAsking(null)} />
    </>
  );
}

function Ask({ place, asking, onClose }: { place: Scope; asking: Asked; onClose: () => void }) {
  const { t } = useTranslation();
  const turn = useTurn();
  const rename = useRename(place.id);
  if (asking === null) return null;
  if (asking === "rename") {
    return <NameDialog title={t("organisations.rename")} label={t("places.name")} submit={t("common.save")} initial={place.name} busy={rename.isPending} error={rename.error} onName={(name) => rename.mutate(name, { onSuccess: onClose })} onClose={onClose} />;
  }
  const words = asking === "suspend" ? { body: t("places.suspendLead"), action: t("places.suspend"), done: t("places.suspendedToast", { name: place.name }) } : { body: t("places.deleteBody"), action: t("common.delete"), done: t("places.deletedToast", { name: place.name }) };
  const undo = () => turn.mutate({ id: place.id, turn: asking === "suspend" ? "resume" : "restore" });
  const confirm = () => turn.mutate({ id: place.id, turn: asking }, { onSuccess: () => toast(words.done, { undo }), onSettled: onClose });
  return <Confirm open title={t(`places.${asking}Title`, { name: place.name })} body={words.body} action={words.action} busy={turn.isPending} onConfirm={confirm} onClose={onClose} />;
}

function AddPlace({ scope, onAdded, onClose }: { scope: Scope; onAdded: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const add = useAddChild(scope.id);
  const [kind, setKind] = useState<"partner" | "class">(scope.kind === "organisation" ? "partner" : "class");
  const [name, setName] = useState("");
  const [tried, setTried] = useState(false);
  const send = () => {
    setTried(true);
    if (name.trim() === "") return;
    add.mutate(
      { kind, name: name.trim() },
      {
        onSuccess: (made) => {
          toast(t("places.added", { name: made.name }));
          onAdded();
        },
      },
    );
  };
  return (
    <FormDialog open title={t("places.new")} lead={t("places.newLead", { name: scope.name })} submit={t("places.make")} busy={add.isPending} error={add.error} onSubmit={send} onClose={onClose}>
      <Field label={t("places.name")} name="name" required maxLength={200} autoComplete="off" error={tried && name.trim() === "" ? t("places.nameNeeded") : undefined} value={name} onChange={(event) => setName(event.target.value)} />
      {scope.kind === "organisation" && (
        <Select
          label={t("places.kind")}
          value={kind}
          options={[
            ["partner", t("places.partner")],
            ["class", t("places.class")],
          ]}
          onValue={setKind}
          hint={t(`places.about.${kind}`)}
        />
      )}
    </FormDialog>
  );
}
