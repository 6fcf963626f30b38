import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { Deleted, PlaceMenu, PlaceName, useFound, useOrganisations, type Ways } from "@/features/organisations/public";
import { count } from "@/kernel/numbers";
import { Button, Field, FormDialog, Listing, Named, Nothing, Part, SearchField, Time, toast } from "@/kernel/ui";

export function AllOrganisations({ ways }: { ways: Ways }) {
  const { t, i18n } = useTranslation();
  const [q, setQ] = useState("");
  const [founding, setFounding] = useState(false);
  const sought = useDeferredValue(q.trim());
  const pages = useOrganisations(sought);
  return (
    <Part
      title={t("house.section.organisations")}
      lead={t("house.organisationsLead")}
      action={
        <Button kind="primary" icon="plus" onClick={() => setFounding(true)}>
          {t("house.found")}
        </Button>
      }
    >
      <SearchField label={t("house.searchOrganisations")} value={q} onChange={setQ} />
      <Listing
        label={t("house.section.organisations")}
        pages={pages}
        failed={t("organisations.failed")}
        empty={<Nothing>{sought === "" ? t("house.noOrganisations") : t("house.noMatch", { query: sought })}</Nothing>}
        rowKey={(one) => one.id}
        faded={(one) => one.status === "suspended"}
        columns={[
          { key: "name", title: t("places.name"), cell: (one) => <Named name={<PlaceName place={one} ways={ways} />} /> },
          { key: "members", title: t("organisations.members"), numeric: true, cell: (one) => (one.member_count === null ? "–" : count(one.member_count, i18n.language)) },
          { key: "since", title: t("organisations.since"), wideOnly: true, cell: (one) => <Time iso={one.created_at} className="text-ink-2" /> },
        ]}
        actions={(one) => <PlaceMenu place={one} />}
      />
      <Deleted parent={null} />
      {founding && <Found ways={ways} onClose={() => setFounding(false)} />}
    </Part>
  );
}

function Found({ ways, onClose }: { ways: Ways; onClose: () => void }) {
  const { t } = useTranslation();
  const found = useFound();
  const [name, setName] = useState("");
  const [owner, setOwner] = useState("");
  const [tried, setTried] = useState(false);
  const send = () => {
    setTried(true);
    if (name.trim() === "") return;
    found.mutate(
      { name: name.trim(), ...(owner.trim() === "" ? {} : { owner_email: owner.trim() }) },
      {
        onSuccess: (made) => {
          toast(t("places.added", { name: made.name }));
          ways.open(made.id, "overview");
        },
      },
    );
  };
  return (
    <FormDialog open title={t("house.found")} lead={t("house.foundLead")} submit={t("places.make")} busy={found.isPending} error={found.error} onSubmit={send} onClose={onClose}>
      <Field label={t("places.name")} name="name" required maxLength={200} autoComplete="off" error={tried && name.trim() === "" ? t("places.nameNeeded") : undefined} value={name} onChange={(event) => setName(event.target.value)} />
      <Field label={t("house.owner")} name="owner" type="email" autoComplete="off" hint={t("house.ownerHint")} value={owner} onChange={(event) => setOwner(event.target.value)} />
    </FormDialog>
  );
}
