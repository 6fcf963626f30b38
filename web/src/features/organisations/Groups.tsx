import { useState } from "react";
import { useTranslation } from "react-i18next";
import { count } from "@/kernel/numbers";
import { DataTable, Failed, FormDialog, IconButton, Named, Nothing, Part, Select, SkeletonList, toast } from "@/kernel/ui";
import { type Role, type Scope, useScope } from "./api";
import { type Group, useAllChildren, useGroups, useMapGroup } from "./directory";
import { grantable } from "./roles";

/** The groups that a directory named, and the role that each gives its members. */
export function Groups({ scope, isSupervisor }: { scope: Scope; isSupervisor: boolean }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useState<Group | null>(null);
  return (
    <Part title={t("directory.groups")} lead={t("directory.groupsLead")}>
      <GroupTable scope={scope} onChoose={setChosen} />
      {chosen && <Mapping key={chosen.id} group={chosen} scope={scope} isSupervisor={isSupervisor} onClose={() => setChosen(null)} />}
    </Part>
  );
}

function GroupTable({ scope, onChoose }: { scope: Scope; onChoose: (group: Group) => void }) {
  const { t, i18n } = useTranslation();
  const query = useGroups(scope.id);
  if (query.isError && query.data === undefined) return <Failed title={t("directory.groupsFailed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <SkeletonList rows={2} className="h-12" />;
  if (query.data.length === 0) return <Nothing>{t("directory.groupsEmpty")}</Nothing>;
  return (
    <DataTable
      label={t("directory.groups")}
      rows={query.data}
      rowKey={(group) => group.id}
      columns={[
        { key: "name", title: t("directory.group"), cell: (group) => <Named name={<span className="break-words">{group.display_name}</span>} note={t("directory.people", { count: group.member_count, number: count(group.member_count, i18n.language) })} narrow={<Gives group={group} />} /> },
        { key: "gives", title: t("directory.gives"), wideOnly: true, cell: (group) => <Gives group={group} /> },
      ]}
      actions={(group) => <IconButton icon="pencil" size={16} label={`${t("directory.map")}: ${group.display_name}`} onClick={() => onChoose(group)} />}
    />
  );
}

function Gives({ group }: { group: Group }) {
  const { t } = useTranslation();
  if (group.scope_id === null || group.role === null) return <span className="text-ink-3">{t("directory.nothing")}</span>;
  return (
    <span>
      {t(`roles.${group.role}`)} · <PlaceOf id={group.scope_id} />
    </span>
  );
}

function PlaceOf({ id }: { id: string }) {
  const { t } = useTranslation();
  const { data, isError } = useScope(id);
  return <>{data?.name ?? (isError ? t("directory.gone") : "…")}</>;
}

interface MappingProps {
  group: Group;
  scope: Scope;
  isSupervisor: boolean;
  onClose: () => void;
}

/** Waits for where the group's role is now, so that the choice begins there. */
function Mapping(props: MappingProps) {
  const { group, scope } = props;
  const now = useScope(group.scope_id ?? scope.id);
  if (now.isPending) return null;
  return <MappingForm {...props} path={now.data?.path ?? [scope.id]} />;
}

function MappingForm({ group, scope, isSupervisor, path, onClose }: MappingProps & { path: string[] }) {
  const { t } = useTranslation();
  const [where, setWhere] = useState({ first: path[1] ?? scope.id, second: path[2] ?? "" });
  const [role, setRole] = useState<Role | "none">(group.role ?? "none");
  const map = useMapGroup(scope.id, group.id);
  const roles = grantable(scope, isSupervisor);
  const saved = {
    onSuccess: () => {
      toast(t("directory.mapped", { name: group.display_name }));
      onClose();
    },
  };
  const send = () => map.mutate(role === "none" ? null : { scope_id: where.second || where.first, role }, saved);
  return (
    <FormDialog open title={t("directory.mapTitle", { name: group.display_name })} lead={t("directory.mapLead")} submit={t("common.save")} busy={map.isPending} error={map.error} onSubmit={send} onClose={onClose}>
      <Select<Role | "none"> label={t("directory.role")} value={role} options={[["none", t("directory.noRole")], ...roles.map((one) => [one, t(`roles.${one}`)] as const)]} onValue={setRole} hint={role === "none" ? undefined : t(`roles.about.${role}`)} />
      {role !== "none" && <Where scope={scope} where={where} onWhere={setWhere} />}
    </FormDialog>
  );
}

/** A place of the tree: the organisation, what lies directly beneath, and of a partner a class in it or "" for all of it. */
interface WhereProps {
  scope: Scope;
  where: { first: string; second: string };
  onWhere: (where: { first: string; second: string }) => void;
}

function Where({ scope, where, onWhere }: WhereProps) {
  const { t } = useTranslation();
  const beneath = useAllChildren(scope.id).data ?? [];
  const partner = beneath.find((one) => one.id === where.first && one.kind === "partner");
  const classes = useAllChildren(partner?.id ?? null).data ?? [];
  const choice = (all: Scope, id: string, within: readonly Scope[]) => [[id, t("directory.itself", { name: all.name })], ...within.map((one) => [one.id, one.name])] as [string, string][];
  return (
    <>
      <Select label={t("directory.where")} value={where.first} options={choice(scope, scope.id, beneath)} onValue={(first) => onWhere({ first, second: "" })} />
      {partner && classes.length > 0 && <Select label={t("directory.within")} value={where.second} options={choice(partner, "", classes)} onValue={(second) => onWhere({ ...where, second })} />}
    </>
  );
}
