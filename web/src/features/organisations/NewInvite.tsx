import { useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { Button, Field, FormDialog, IconButton, Select, toast } from "@/kernel/ui";
import { type InviteWish, type NewInvite, type Scope, useInvite } from "./api";
import { grantable } from "./roles";

type Given = InviteWish["role"];

interface InviteFormProps {
  scope: Scope;
  isSupervisor: boolean;
  onMade: (invite: NewInvite) => void;
  onClose: () => void;
}

const DAYS = ["1", "7", "14", "30", "90"] as const;

export function InviteForm({ scope, isSupervisor, onMade, onClose }: InviteFormProps) {
  const { t } = useTranslation();
  const roles = grantable(scope, isSupervisor);
  const [role, setRole] = useState<Given>(roles.at(-1) ?? "student");
  const [days, setDays] = useState<(typeof DAYS)[number]>("14");
  const [uses, setUses] = useState("1");
  const [email, setEmail] = useState("");
  const [note, setNote] = useState("");
  const invite = useInvite(scope.id);
  const named = email.trim() !== "";
  const send = () => invite.mutate({ role, expires_in_days: Number(days), max_uses: named ? 1 : Math.max(1, Number(uses) || 1), note: note.trim(), ...(named ? { email: email.trim() } : {}) }, { onSuccess: onMade });
  return (
    <FormDialog open title={t("scopeInvites.new")} lead={t("scopeInvites.newLead", { name: scope.name })} submit={t("scopeInvites.make")} busy={invite.isPending} error={invite.error} onSubmit={send} onClose={onClose}>
      <Select label={t("members.role")} value={role} options={roles.map((one) => [one, t(`roles.${one}`)] as const)} onValue={setRole} hint={t(`roles.about.${role}`)} />
      <Field label={t("scopeInvites.email")} name="email" type="email" autoComplete="off" hint={t("scopeInvites.emailHint")} value={email} onChange={(event) => setEmail(event.target.value)} />
      <div className="grid grid-cols-2 gap-3">
        <Select label={t("scopeInvites.valid")} value={days} options={DAYS.map((one) => [one, t("scopeInvites.days", { count: Number(one) })] as const)} onValue={setDays} />
        <Field label={t("scopeInvites.maxUses")} name="uses" type="number" min={1} max={10000} inputMode="numeric" disabled={named} value={named ? "1" : uses} onChange={(event) => setUses(event.target.value)} />
      </div>
      <Field label={t("scopeInvites.note")} name="note" maxLength={200} autoComplete="off" value={note} onChange={(event) => setNote(event.target.value)} />
    </FormDialog>
  );
}

/** The link, the code and the QR of an invite that was just made. They are never shown again. */
export function InviteShown({ invite, onClose }: { invite: NewInvite; onClose: () => void }) {
  const { t } = useTranslation();
  const copy = async (value: string) => {
    if (await copyText(value)) toast(t("common.copied"));
  };
  return (
    <div role="status" className="flex flex-col gap-5 rounded-lg bg-accent-wash p-5 md:flex-row md:items-center">
      <img src={`data:image/svg+xml,${encodeURIComponent(invite.qr_svg)}`} alt={t("scopeInvites.qr")} className="size-36 shrink-0 self-center rounded-md bg-paper p-2" />
      <div className="flex min-w-0 flex-1 flex-col gap-3">
        <p className="font-medium">{invite.is_sent ? t("scopeInvites.sent", { email: invite.invite.email ?? "" }) : t("scopeInvites.once")}</p>
        <Once label={t("scopeInvites.link")} value={invite.url} onCopy={() => void copy(invite.url)} />
        <Once label={t("scopeInvites.code")} value={invite.code} onCopy={() => void copy(invite.code)} />
        <Button className="self-start" onClick={onClose}>
          {t("scopeInvites.hide")}
        </Button>
      </div>
    </div>
  );
}

function Once({ label, value, onCopy }: { label: string; value: string; onCopy: () => void }) {
  const { t } = useTranslation();
  return (
    <div>
      <p className="text-sm text-ink-2">{label}</p>
      <p className="flex items-start justify-between gap-2 font-mono break-all">
        {value}
        <IconButton icon="copy" size={16} label={`${t("common.copy")}: ${label}`} onClick={onCopy} className="-my-1.5" />
      </p>
    </div>
  );
}
