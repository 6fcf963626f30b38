import { useState } from "react";
import { useTranslation } from "react-i18next";
import { exact } from "@/kernel/time";
import { Badge, Button, Confirm, IconButton, Listing, Menu, MenuItem, Named, Nothing, Part, toast } from "@/kernel/ui";
import { type Invite, type NewInvite, type Scope, useInvites, useResend, useWithdraw } from "./api";
import { InviteForm, InviteShown } from "./NewInvite";

type State = "open" | "used" | "expired" | "revoked";

function stateOf(invite: Invite, now = Date.now()): State {
  if (invite.revoked_at !== null) return "revoked";
  if (invite.used_count >= invite.max_uses) return "used";
  return Date.parse(invite.expires_at) <= now ? "expired" : "open";
}

export function Invites({ scope, isSupervisor }: { scope: Scope; isSupervisor: boolean }) {
  const { t, i18n } = useTranslation();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewInvite | null>(null);
  const [doomed, setDoomed] = useState<Invite | null>(null);
  const pages = useInvites(scope.id);
  const until = (invite: Invite) => (
    <span title={exact(invite.expires_at, i18n.language)} className="whitespace-nowrap text-ink-2">
      {new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(invite.expires_at))}
    </span>
  );
  return (
    <Part
      title={t("scopeInvites.title")}
      lead={t("scopeInvites.lead")}
      action={
        <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
          {t("scopeInvites.new")}
        </Button>
      }
    >
      {made && <InviteShown invite={made} onClose={() => setMade(null)} />}
      <Listing
        label={t("scopeInvites.title")}
        pages={pages}
        failed={t("scopeInvites.failed")}
        empty={<Nothing>{t("scopeInvites.empty")}</Nothing>}
        rowKey={(invite) => invite.id}
        faded={(invite) => stateOf(invite) !== "open"}
        columns={[
          { key: "whom", title: t("scopeInvites.whom"), cell: (invite) => <Named name={invite.email ?? (invite.note || t("scopeInvites.anyone"))} note={invite.email !== null && invite.note ? invite.note : undefined} narrow={<span>{t(`roles.${invite.role}`)} · {t("scopeInvites.until", { when: new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(invite.expires_at)) })}</span>} /> },
          { key: "role", title: t("members.role"), wideOnly: true, cell: (invite) => <span className="whitespace-nowrap">{t(`roles.${invite.role}`)}</span> },
          { key: "uses", title: t("scopeInvites.uses"), numeric: true, wideOnly: true, cell: (invite) => `${invite.used_count} / ${invite.max_uses}` },
          { key: "until", title: t("scopeInvites.expires"), wideOnly: true, cell: until },
          { key: "state", title: t("organisations.status"), cell: (invite) => <Badge tone={stateOf(invite) === "open" ? "good" : "calm"}>{t(`scopeInvites.state.${stateOf(invite)}`)}</Badge> },
        ]}
        actions={(invite) => <InviteMenu scope={scope} invite={invite} onMade={setMade} onWithdraw={() => setDoomed(invite)} />}
      />
      {making && (
        <InviteForm
          scope={scope}
          isSupervisor={isSupervisor}
          onMade={(invite) => {
            setMade(invite);
            setMaking(false);
          }}
          onClose={() => setMaking(false)}
        />
      )}
      <Withdraw scope={scope} invite={doomed} onClose={() => setDoomed(null)} />
    </Part>
  );
}

function InviteMenu({ scope, invite, onMade, onWithdraw }: { scope: Scope; invite: Invite; onMade: (invite: NewInvite) => void; onWithdraw: () => void }) {
  const { t } = useTranslation();
  const resend = useResend(scope.id);
  if (stateOf(invite) === "used" || stateOf(invite) === "revoked") return null;
  return (
    <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: invite.email ?? (invite.note || t("scopeInvites.anyone")) })} />}>
      <MenuItem icon="retry" onSelect={() =>
          resend.mutate(invite.id, {
            onSuccess: (made) => {
              onMade(made);
              toast(made.is_sent ? t("scopeInvites.sent", { email: invite.email ?? "" }) : t("scopeInvites.renewed"));
            },
          })
        }>
        {invite.email === null ? t("scopeInvites.renew") : t("scopeInvites.resend")}
      </MenuItem>
      {stateOf(invite) === "open" && (
        <MenuItem icon="trash" danger onSelect={onWithdraw}>
          {t("scopeInvites.withdraw")}
        </MenuItem>
      )}
    </Menu>
  );
}

function Withdraw({ scope, invite, onClose }: { scope: Scope; invite: Invite | null; onClose: () => void }) {
  const { t } = useTranslation();
  const withdraw = useWithdraw(scope.id);
  if (invite === null) return null;
  return (
    <Confirm
      open
      title={t("scopeInvites.withdrawTitle", { name: invite.email ?? (invite.note || t("scopeInvites.anyone")) })}
      body={t("scopeInvites.withdrawBody")}
      action={t("scopeInvites.withdraw")}
      busy={withdraw.isPending}
      onConfirm={() => withdraw.mutate(invite.id, { onSuccess: () => toast(t("scopeInvites.withdrawn")), onSettled: onClose })}
      onClose={onClose}
    />
  );
}
