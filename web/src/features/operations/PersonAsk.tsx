import { useState } from "react";
import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { Confirm, Field, FormDialog, toast } from "@/kernel/ui";
import { type Person, useDeletePerson, useDisable, useEndSignIns, useResetFactors, useSupervise } from "./api";

/** What is asked before it is done. */
export type Asked = "make" | "unmake" | "endSignIns" | "resetFactors" | "disable" | "delete";

interface AskProps {
  asked: Asked;
  person: Person;
  name: string;
  onClose: () => void;
}

/** Says what follows, and asks once; for the grave ones with one's own password. */
export function PersonAsk(props: AskProps) {
  const { asked } = props;
  return asked === "make" || asked === "unmake" || asked === "resetFactors" ? <GraveAsk {...props} asked={asked} /> : <PlainAsk {...props} asked={asked} />;
}

function PlainAsk({ asked, person, name, onClose }: AskProps & { asked: "endSignIns" | "disable" | "delete" }) {
  const { t } = useTranslation();
  const end = useEndSignIns();
  const disable = useDisable();
  const remove = useDeletePerson();
  const done = { onSuccess: () => toast(t(`person.${asked}Done`, { name })), onSettled: onClose };
  const confirm = () => {
    if (asked === "endSignIns") end.mutate(person.id, done);
    else if (asked === "disable") disable.mutate({ id: person.id, name: person.name, is_disabled: true }, done);
    else remove.mutate(person.id, done);
  };
  return <Confirm open title={t(`person.${asked}Title`, { name })} body={t(`person.${asked}Body`)} action={t(`person.${asked}Do`)} busy={end.isPending || disable.isPending || remove.isPending} onConfirm={confirm} onClose={onClose} />;
}

function GraveAsk({ asked, person, name, onClose }: AskProps & { asked: "make" | "unmake" | "resetFactors" }) {
  const { t } = useTranslation();
  const who = useStore(auth);
  const [password, setPassword] = useState("");
  const supervise = useSupervise();
  const reset = useResetFactors();
  const done = {
    onSuccess: () => {
      toast(t(`person.${asked}Done`, { name }));
      onClose();
    },
  };
  const send = () => {
    if (asked === "resetFactors") reset.mutate({ id: person.id, password }, done);
    else supervise.mutate({ id: person.id, role: asked === "make" ? "supervisor" : "user", password }, done);
  };
  return (
    <FormDialog open title={t(`person.${asked}Title`, { name })} lead={t(`person.${asked}Body`)} submit={t(`person.${asked}Do`)} danger busy={supervise.isPending || reset.isPending} error={supervise.error ?? reset.error} onSubmit={send} onClose={onClose}>
      {/* For password managers, which want to know whose password it is. */}
      <input type="text" hidden readOnly autoComplete="username" value={who.state === "in" ? who.user.email : ""} />
      <Field label={t("person.password")} name="password" type="password" autoComplete="current-password" hint={t("person.passwordHint")} value={password} onChange={(event) => setPassword(event.target.value)} />
    </FormDialog>
  );
}
