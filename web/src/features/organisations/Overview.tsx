import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { count } from "@/kernel/numbers";
import { exact } from "@/kernel/time";
import { Button, Confirm, Deed, Fact, Part, Time, toast } from "@/kernel/ui";
import { type Scope, useLeave, useRename, useTurn } from "./api";
import { NameDialog } from "./NameDialog";
import { may } from "./roles";
import type { Ways } from "./ways";

export function Overview({ scope, ways, spending }: { scope: Scope; ways: Ways; spending: ReactNode }) {
  const { t, i18n } = useTranslation();
  const [renaming, setRenaming] = useState(false);
  const rename = useRename(scope.id);
  return (
    <div className="flex flex-col gap-10">
      <dl className="grid grid-cols-2 gap-x-6 gap-y-5 md:grid-cols-4">
        <Fact label={t("organisations.role")}>{scope.my_role ? t(`roles.${scope.my_role}`) : t("roles.supervisor")}</Fact>
        <Fact label={t("organisations.status")}>{scope.status === "active" ? t("places.active") : t("places.suspended")}</Fact>
        {scope.member_count !== null && <Fact label={t("organisations.members")}>{ways.link(scope.id, "members", "rounded-sm text-accent hover:underline hover:underline-offset-4", false, t("organisations.people", { count: scope.member_count, number: count(scope.member_count, i18n.language) }))}</Fact>}
        <Fact label={t("organisations.since")}>
          <Time iso={scope.created_at} />
        </Fact>
      </dl>
      {spending}
      <Part title={t("organisations.manage")} lead={t("organisations.manageLead")}>
        <ul className="flex flex-col">
          {may(scope, "scope.change") && (
            <Deed title={t("organisations.rename")} lead={t("organisations.renameLead")}>
              <Button icon="pencil" onClick={() => setRenaming(true)}>
                {t("common.rename")}
              </Button>
            </Deed>
          )}
          <SuspendDeed scope={scope} />
          <DeleteDeed scope={scope} ways={ways} />
          {scope.my_role !== null && <LeaveDeed scope={scope} ways={ways} />}
        </ul>
      </Part>
      {renaming && (
        <NameDialog
          title={t("organisations.rename")}
          label={t("places.name")}
          submit={t("common.save")}
          initial={scope.name}
          busy={rename.isPending}
          error={rename.error}
          onName={(name) => rename.mutate(name, { onSuccess: () => setRenaming(false) })}
          onClose={() => setRenaming(false)}
        />
      )}
    </div>
  );
}

function SuspendDeed({ scope }: { scope: Scope }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const turn = useTurn();
  if (!may(scope, "scope.suspend") || scope.status === "suspended") return null;
  const suspend = () => turn.mutate({ id: scope.id, turn: "suspend" }, { onSuccess: () => toast(t("places.suspendedToast", { name: scope.name }), { undo: () => turn.mutate({ id: scope.id, turn: "resume" }) }), onSettled: () => setAsking(false) });
  return (
    <Deed title={t("places.suspend")} lead={t("places.suspendLead")}>
      <Button onClick={() => setAsking(true)}>{t("places.suspend")}</Button>
      <Confirm open={asking} title={t("places.suspendTitle", { name: scope.name })} body={t("places.suspendLead")} action={t("places.suspend")} busy={turn.isPending} onConfirm={suspend} onClose={() => setAsking(false)} />
    </Deed>
  );
}

function DeleteDeed({ scope, ways }: { scope: Scope; ways: Ways }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const turn = useTurn();
  if (!may(scope, "scope.delete")) return null;
  const gone = () => {
    toast(t("places.deletedToast", { name: scope.name }), { undo: () => turn.mutate({ id: scope.id, turn: "restore" }) });
    if (scope.parent_id === null) ways.leave();
    else ways.open(scope.parent_id, "places");
  };
  return (
    <Deed title={t("common.delete")} lead={t("places.deleteLead")}>
      <Button kind="grave" icon="trash" onClick={() => setAsking(true)}>
        {t("common.delete")}
      </Button>
      <Confirm open={asking} title={t("places.deleteTitle", { name: scope.name })} body={t("places.deleteBody")} action={t("common.delete")} busy={turn.isPending} onConfirm={() => turn.mutate({ id: scope.id, turn: "delete" }, { onSuccess: gone, onSettled: () => setAsking(false) })} onClose={() => setAsking(false)} />
    </Deed>
  );
}

function LeaveDeed({ scope, ways }: { scope: Scope; ways: Ways }) {
  const { t, i18n } = useTranslation();
  const [asking, setAsking] = useState(false);
  const leave = useLeave();
  const owns = scope.my_role === "owner";
  const gone = () => {
    toast(t("organisations.left", { name: scope.name, when: exact(new Date().toISOString(), i18n.language) }));
    ways.leave();
  };
  return (
    <Deed title={t("organisations.leave")} lead={owns ? t("organisations.leaveOwner") : t("organisations.leaveLead")}>
      <Button icon="signOut" disabled={owns} onClick={() => setAsking(true)}>
        {t("organisations.leave")}
      </Button>
      <Confirm open={asking} title={t("organisations.leaveTitle", { name: scope.name })} body={t("organisations.leaveLead")} action={t("organisations.leave")} busy={leave.isPending} onConfirm={() => leave.mutate(scope.id, { onSuccess: gone, onSettled: () => setAsking(false) })} onClose={() => setAsking(false)} />
    </Deed>
  );
}
