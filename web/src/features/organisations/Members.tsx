import { useDeferredValue, useState } from "react";
import { useTranslation } from "react-i18next";
import { Badge, Confirm, IconButton, Listing, Menu, MenuChoice, MenuChoices, MenuItem, MenuTitle, Named, Nothing, Part, SearchField, Select, Time, toast } from "@/kernel/ui";
import { type Member, type Role, type Scope, useChangeMember, useMembers, useRemoveMember, useTransfer } from "./api";
import { grantable, may, ROLES, standsAbove } from "./roles";

interface MembersProps {
  scope: Scope;
  meId: string;
  isSupervisor: boolean;
}

type Asked = { what: "remove" | "transfer" | "suspend"; member: Member } | null;

export function Members({ scope, meId, isSupervisor }: MembersProps) {
  const { t } = useTranslation();
  const [q, setQ] = useState("");
  const [role, setRole] = useState<Role | "">("");
  const [asked, setAsked] = useState<Asked>(null);
  const sought = useDeferredValue(q.trim());
  const pages = useMembers(scope.id, sought, role === "" ? null : role);
  const manages = may(scope, "members.manage");
  return (
    <Part title={t("members.title")} lead={manages ? t("members.lead") : t("members.leadReading")}>
      <div className="flex flex-wrap gap-2">
        <div className="flex-1 basis-52">
          <SearchField label={t("members.search")} value={q} onChange={setQ} />
        </div>
        <Select bare label={t("members.role")} value={role} options={[["", t("members.everyRole")], ...ROLES.map((one) => [one, t(`roles.${one}`)] as const)]} onValue={setRole} className="w-40" />
      </div>
      <Listing
        label={t("members.title")}
        pages={pages}
        failed={t("members.failed")}
        empty={<Nothing>{sought === "" && role === "" ? t("members.empty") : t("members.noMatch")}</Nothing>}
        rowKey={(member) => member.id}
        faded={(member) => member.status === "suspended"}
        columns={[
          { key: "name", title: t("members.name"), cell: (member) => <Named name={<MemberName member={member} isMe={member.account_id === meId} />} note={member.email} /> },
          { key: "role", title: t("members.role"), cell: (member) => <span className="whitespace-nowrap">{t(`roles.${member.role}`)}</span> },
          { key: "joined", title: t("members.joined"), wideOnly: true, cell: (member) => <Time iso={member.joined_at} className="text-ink-2" /> },
        ]}
        {...(manages || may(scope, "scope.transfer") ? { actions: (member: Member) => <MemberMenu scope={scope} member={member} isMe={member.account_id === meId} isSupervisor={isSupervisor} onAsk={setAsked} /> } : {})}
      />
      <Ask scope={scope} asked={asked} onClose={() => setAsked(null)} />
    </Part>
  );
}

function MemberName({ member, isMe }: { member: Member; isMe: boolean }) {
  const { t } = useTranslation();
  return (
    <span className="flex flex-wrap items-center gap-2">
      {member.name || member.email}
      {isMe && <Badge>{t("members.you")}</Badge>}
      {member.status === "suspended" && <Badge tone="bad">{t("places.suspended")}</Badge>}
    </span>
  );
}

interface MemberMenuProps {
  scope: Scope;
  member: Member;
  isMe: boolean;
  isSupervisor: boolean;
  onAsk: (asked: Asked) => void;
}

function MemberMenu({ scope, member, isMe, isSupervisor, onAsk }: MemberMenuProps) {
  const { t } = useTranslation();
  const { manages, transfers } = ableTo(scope, member, isMe, isSupervisor);
  if (!manages && !transfers) return null;
  return (
    <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: member.name || member.email })} />}>
      {manages && <RoleChoices scope={scope} member={member} isSupervisor={isSupervisor} />}
      {transfers && (
        <MenuItem icon="forward" onSelect={() => onAsk({ what: "transfer", member })}>
          {t("members.transfer")}
        </MenuItem>
      )}
      {manages && <Standing scope={scope} member={member} onAsk={onAsk} />}
    </Menu>
  );
}

/** Nobody manages themselves, and an owner changes only by a transfer. */
function ableTo(scope: Scope, member: Member, isMe: boolean, isSupervisor: boolean) {
  if (isMe || member.role === "owner") return { manages: false, transfers: false };
  return {
    manages: may(scope, "members.manage") && standsAbove(scope, isSupervisor, member.role),
    transfers: may(scope, "scope.transfer") && member.status === "active",
  };
}

function RoleChoices({ scope, member, isSupervisor }: { scope: Scope; member: Member; isSupervisor: boolean }) {
  const { t } = useTranslation();
  const change = useChangeMember(scope.id);
  const choose = (role: Role) => change.mutate({ member: member.id, role }, { onSuccess: () => toast(t("members.changed", { name: member.name || member.email, role: t(`roles.${role}`) })) });
  return (
    <>
      <MenuTitle>{t("members.changeRole")}</MenuTitle>
      <MenuChoices value={member.role} onChange={(role) => choose(role as Role)}>
        {grantable(scope, isSupervisor).map((role) => (
          <MenuChoice key={role} value={role}>
            {t(`roles.${role}`)}
          </MenuChoice>
        ))}
      </MenuChoices>
    </>
  );
}

function Standing({ scope, member, onAsk }: { scope: Scope; member: Member; onAsk: (asked: Asked) => void }) {
  const { t } = useTranslation();
  const change = useChangeMember(scope.id);
  return (
    <>
      {member.status === "active" ? (
        <MenuItem icon="stop" onSelect={() => onAsk({ what: "suspend", member })}>
          {t("places.suspend")}
        </MenuItem>
      ) : (
        <MenuItem icon="retry" onSelect={() => change.mutate({ member: member.id, status: "active" })}>
          {t("places.resume")}
        </MenuItem>
      )}
      <MenuItem icon="trash" danger onSelect={() => onAsk({ what: "remove", member })}>
        {t("members.remove")}
      </MenuItem>
    </>
  );
}

function Ask({ scope, asked, onClose }: { scope: Scope; asked: Asked; onClose: () => void }) {
  const { t } = useTranslation();
  const change = useChangeMember(scope.id);
  const remove = useRemoveMember(scope.id);
  const transfer = useTransfer(scope.id);
  if (asked === null) return null;
  const { what, member } = asked;
  const name = member.name || member.email;
  const done = { onSuccess: () => toast(t(`members.${what}Done`, { name })), onSettled: onClose };
  const confirm = () => {
    if (what === "remove") remove.mutate(member.id, done);
    else if (what === "transfer") transfer.mutate(member.id, done);
    else change.mutate({ member: member.id, status: "suspended" }, done);
  };
  return (
    <Confirm
      open
      title={t(`members.${what}Title`, { name, scope: scope.name })}
      body={t(`members.${what}Body`)}
      action={what === "suspend" ? t("places.suspend") : t(`members.${what}`)}
      busy={change.isPending || remove.isPending || transfer.isPending}
      onConfirm={confirm}
      onClose={onClose}
    />
  );
}
