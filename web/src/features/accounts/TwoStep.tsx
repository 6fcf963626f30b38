import { useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { svgAddress } from "@/kernel/svg";
import { Badge, Button, Field, FormDialog, IconButton, Time, toast } from "@/kernel/ui";
import { Loaded, Section, Sure } from "./parts";
import { RecoveryCodes } from "./RecoveryCodes";
import { type Enrolment, type SecondFactors, useBeginTotp, useConfirmTotp, useEndTotp, useRenewCodes, useSecondFactors } from "./security";

type Asking = "begin" | "end" | "renew" | null;

/** Codes of an app beside the password, and the recovery codes for when the app is lost. */
export function TwoStep() {
  const { t } = useTranslation();
  const query = useSecondFactors();
  const [asking, setAsking] = useState<Asking>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const close = () => setAsking(null);
  const show = (made: string[]) => {
    close();
    setCodes(made);
  };
  return (
    <Section title={t("security.totp")} lead={t("security.totpLead")}>
      <Loaded query={query} rows={1}>
        {(factors) => <State factors={factors} onAsk={setAsking} />}
      </Loaded>
      {asking === "begin" && <TurnOn onCodes={show} onClose={close} />}
      {asking === "end" && <TurnOff onClose={close} />}
      {asking === "renew" && <Renew onCodes={show} onClose={close} />}
      {codes !== null && <RecoveryCodes codes={codes} onClose={() => setCodes(null)} />}
    </Section>
  );
}

function State({ factors, onAsk }: { factors: SecondFactors; onAsk: (what: Asking) => void }) {
  const { t } = useTranslation();
  if (factors.totp_enabled_at === null) {
    return (
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Badge>{t("security.totpOff")}</Badge>
        <Button onClick={() => onAsk("begin")}>{t("security.totpStart")}</Button>
      </div>
    );
  }
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <span className="flex flex-wrap items-center gap-3">
          <Badge tone="good">{t("security.totpOn")}</Badge>
          <Time iso={factors.totp_enabled_at} className="text-sm text-ink-3" />
        </span>
        <Button onClick={() => onAsk("end")}>{t("security.totpEnd")}</Button>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <span>
          {t("security.codes")} <span className={factors.recovery_codes_left <= 3 ? "text-sm text-danger" : "text-sm text-ink-3"}>{t("security.codesLeft", { count: factors.recovery_codes_left })}</span>
        </span>
        <Button onClick={() => onAsk("renew")}>{t("security.codesRenew")}</Button>
      </div>
    </>
  );
}

function TurnOn({ onCodes, onClose }: { onCodes: (codes: string[]) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const begin = useBeginTotp();
  const [password, setPassword] = useState("");
  if (begin.data) return <Scan enrolment={begin.data} onCodes={onCodes} onClose={onClose} />;
  return <Sure title={t("security.totp")} lead={t("security.totpPasswordLead")} submit={t("security.next")} busy={begin.isPending} error={begin.error} password={password} onPassword={setPassword} onSubmit={() => begin.mutate(password)} onClose={onClose} />;
}

function Scan({ enrolment: { secret, qr_svg }, onCodes, onClose }: { enrolment: Enrolment; onCodes: (codes: string[]) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const confirm = useConfirmTotp();
  const [code, setCode] = useState("");
  const copy = async () => {
    if (await copyText(secret)) toast(t("common.copied"));
  };
  return (
    <FormDialog open title={t("security.totpScanTitle")} lead={t("security.totpScanLead")} submit={t("security.totpConfirm")} busy={confirm.isPending} error={confirm.error} onSubmit={() => confirm.mutate(code.replaceAll(/\s/g, ""), { onSuccess: onCodes })} onClose={onClose}>
      <img src={svgAddress(qr_svg)} alt={t("security.totpQr")} width={200} height={200} className="self-center rounded-md bg-paper p-2" />
      <div>
        <p className="text-sm text-ink-3">{t("security.totpSecret")}</p>
        <p className="flex items-center justify-between gap-2 font-mono text-sm break-all">
          {secret.replaceAll(/(.{4})(?=.)/g, "$1 ")}
          <IconButton icon="copy" size={16} label={t("common.copy")} onClick={() => void copy()} />
        </p>
      </div>
      <Field label={t("security.totpCode")} name="code" inputMode="numeric" autoComplete="one-time-code" maxLength={7} value={code} onChange={(event) => setCode(event.target.value)} />
    </FormDialog>
  );
}

function TurnOff({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const end = useEndTotp();
  const [password, setPassword] = useState("");
  const done = () => {
    toast(t("security.totpEnded"));
    onClose();
  };
  return <Sure danger title={t("security.totpEndTitle")} lead={t("security.totpEndBody")} submit={t("security.totpEnd")} busy={end.isPending} error={end.error} password={password} onPassword={setPassword} onSubmit={() => end.mutate(password, { onSuccess: done })} onClose={onClose} />;
}

function Renew({ onCodes, onClose }: { onCodes: (codes: string[]) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const renew = useRenewCodes();
  const [password, setPassword] = useState("");
  return <Sure title={t("security.codesRenewTitle")} lead={t("security.codesRenewBody")} submit={t("security.codesRenew")} busy={renew.isPending} error={renew.error} password={password} onPassword={setPassword} onSubmit={() => renew.mutate(password, { onSuccess: onCodes })} onClose={onClose} />;
}
