import { useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Button, Field, Tick, toast } from "@/kernel/ui";
import { Connections } from "./Connections";
import { Devices } from "./Devices";
import { Section, Sure } from "./parts";
import { Passkeys } from "./Passkeys";
import { useChangePassword } from "./security";
import { TwoStep } from "./TwoStep";

/** How one signs in, and where one is signed in. */
export function Security() {
  return (
    <>
      <Password />
      <TwoStep />
      <Passkeys />
      <Connections />
      <Devices />
    </>
  );
}

function Password() {
  const { t } = useTranslation();
  const [changing, setChanging] = useState(false);
  return (
    <Section title={t("mine.password")} lead={t("security.passwordLead")}>
      <Button className="self-start md:self-end" onClick={() => setChanging(true)}>
        {t("security.passwordChange")}
      </Button>
      {changing && <ChangePassword onClose={() => setChanging(false)} />}
    </Section>
  );
}

function ChangePassword({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const change = useChangePassword();
  const [now, setNow] = useState("");
  const [next, setNext] = useState("");
  const [ends, setEnds] = useState(false);
  const code = change.error === null ? null : codeOf(change.error);
  const atNew = code?.startsWith("password_") === true && code !== "password_wrong";
  const done = () => {
    toast(t("security.passwordDone"));
    onClose();
  };
  return (
    <Sure
      title={t("security.passwordChange")}
      submit={t("security.passwordChange")}
      busy={change.isPending}
      error={atNew ? null : change.error}
      password={now}
      onPassword={setNow}
      onSubmit={() => change.mutate({ current: now, next, ends }, { onSuccess: done })}
      onClose={onClose}
    >
      <Field label={t("security.passwordNew")} name="new-password" type="password" autoComplete="new-password" hint={t("auth.passwordHint")} error={atNew ? sayError(code) : undefined} value={next} onChange={(event) => setNext(event.target.value)} />
      <Tick label={t("auth.endsOthers")} hint={t("auth.endsOthersHint")} checked={ends} onChange={setEnds} />
    </Sure>
  );
}
