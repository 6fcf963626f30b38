import { useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { Badge, Button, Confirm, Field, FormDialog, IconButton, Listing, Named, Nothing, Part, Select, toast } from "@/kernel/ui";
import { type RegistrationInvite, useMakeRegistrationInvite, useRegistrationInvites, useWithdrawRegistrationInvite } from "./api";

const stateOf = (invite: RegistrationInvite, now = Date.now()) => (invite.used_count >= invite.max_uses ? "used" : Date.parse(invite.expires_at) <= now ? "expired" : "open");

/** Codes with which one may make an account, without a place in any organisation. */
export function RegistrationInvites() {
  const { t, i18n } = useTranslation();
  const [making, setMaking] = useState(false);
  const [code, setCode] = useState<string | null>(null);
  const [doomed, setDoomed] = useState<RegistrationInvite | null>(null);
  const pages = useRegistrationInvites();
  const withdraw = useWithdrawRegistrationInvite();
  const date = (iso: string) => new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(iso));
  const title = (invite: RegistrationInvite) => invite.note || t("scopeInvites.anyone");
  return (
    <Part
      title={t("house.section.invites")}
      lead={t("house.invitesLead")}
      action={
        <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
          {t("scopeInvites.new")}
        </Button>
      }
    >
      {code !== null && <CodeShown code={code} onClose={() => setCode(null)} />}
      <Listing
        label={t("house.section.invites")}
        pages={pages}
        failed={t("scopeInvites.failed")}
        empty={<Nothing>{t("scopeInvites.empty")}</Nothing>}
        rowKey={(invite) => invite.id}
        faded={(invite) => stateOf(invite) !== "open"}
        columns={[
          { key: "whom", title: t("scopeInvites.note"), cell: (invite) => <Named name={title(invite)} /> },
          { key: "uses", title: t("scopeInvites.uses"), numeric: true, cell: (invite) => `${invite.used_count} / ${invite.max_uses}` },
          { key: "until", title: t("scopeInvites.expires"), wideOnly: true, cell: (invite) => <span className="whitespace-nowrap text-ink-2">{date(invite.expires_at)}</span> },
          { key: "state", title: t("organisations.status"), cell: (invite) => <Badge tone={stateOf(invite) === "open" ? "good" : "calm"}>{t(`scopeInvites.state.${stateOf(invite)}`)}</Badge> },
        ]}
        actions={(invite) => (stateOf(invite) === "open" ? <IconButton icon="trash" size={16} label={`${t("scopeInvites.withdraw")}: ${title(invite)}`} onClick={() => setDoomed(invite)} /> : null)}
      />
      {making && (
        <Make
          onMade={(made) => {
            setCode(made);
            setMaking(false);
          }}
          onClose={() => setMaking(false)}
        />
      )}
      {doomed && (
        <Confirm
          open
          title={t("scopeInvites.withdrawTitle", { name: title(doomed) })}
          body={t("scopeInvites.withdrawBody")}
          action={t("scopeInvites.withdraw")}
          busy={withdraw.isPending}
          onConfirm={() => withdraw.mutate(doomed.id, { onSuccess: () => toast(t("scopeInvites.withdrawn")), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </Part>
  );
}

function CodeShown({ code, onClose }: { code: string; onClose: () => void }) {
  const { t } = useTranslation();
  const link = `${location.origin}/register?invite=${encodeURIComponent(code)}`;
  const copy = async (value: string) => {
    if (await copyText(value)) toast(t("common.copied"));
  };
  return (
    <div role="status" className="flex flex-col gap-3 rounded-lg bg-accent-wash p-5">
      <p className="font-medium">{t("scopeInvites.once")}</p>
      {[
        [t("scopeInvites.link"), link] as const,
        [t("scopeInvites.code"), code] as const,
      ].map(([label, value]) => (
        <div key={label}>
          <p className="text-sm text-ink-2">{label}</p>
          <p className="flex items-start justify-between gap-2 font-mono break-all">
            {value}
            <IconButton icon="copy" size={16} label={`${t("common.copy")}: ${label}`} onClick={() => void copy(value)} className="-my-1.5" />
          </p>
        </div>
      ))}
      <Button className="self-start" onClick={onClose}>
        {t("scopeInvites.hide")}
      </Button>
    </div>
  );
}

function Make({ onMade, onClose }: { onMade: (code: string) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const make = useMakeRegistrationInvite();
  const [note, setNote] = useState("");
  const [uses, setUses] = useState("1");
  const [days, setDays] = useState<"1" | "7" | "30" | "90">("7");
  const send = () => make.mutate({ note: note.trim(), max_uses: Math.max(1, Number(uses) || 1), expires_in_days: Number(days) }, { onSuccess: (made) => onMade(made.code) });
  return (
    <FormDialog open title={t("scopeInvites.new")} submit={t("scopeInvites.make")} busy={make.isPending} error={make.error} onSubmit={send} onClose={onClose}>
      <Field label={t("scopeInvites.note")} name="note" maxLength={200} autoComplete="off" value={note} onChange={(event) => setNote(event.target.value)} />
      <div className="grid grid-cols-2 gap-3">
        <Select label={t("scopeInvites.valid")} value={days} options={(["1", "7", "30", "90"] as const).map((one) => [one, t("scopeInvites.days", { count: Number(one) })] as const)} onValue={setDays} />
        <Field label={t("scopeInvites.maxUses")} name="uses" type="number" min={1} max={10000} inputMode="numeric" value={uses} onChange={(event) => setUses(event.target.value)} />
      </div>
    </FormDialog>
  );
}
