import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { signOut, type User } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { Badge, Button, Field, FormDialog, Time, toast } from "@/kernel/ui";
import { Section, Sure } from "./parts";
import { useSetup } from "./entering";
import { askForVerification } from "./recovery";
import { useChangeEmail, useChangeName, useExport, useLeaveHouse } from "./security";

/** Who one is here, and one's way out. */
export function Account({ user }: { user: User }) {
  const { t } = useTranslation();
  const take = useExport();
  const [asking, setAsking] = useState<"name" | "email" | "leave" | null>(null);
  const close = () => setAsking(null);
  return (
    <>
      <Section title={t("settings.account")}>
        <Line label={t("auth.name")}>
          <span>{user.name}</span>
          <Button aria-label={t("mine.nameTitle")} onClick={() => setAsking("name")}>
            {t("mine.change")}
          </Button>
        </Line>
        <Email user={user} onChange={() => setAsking("email")} />
        <Line label={t("settings.role")}>{t(`settings.${user.role}`)}</Line>
        <Line label={t("settings.joined")}>
          <Time iso={user.created_at} />
        </Line>
      </Section>
      <Section title={t("mine.signOut")} lead={t("settings.signOutLead")}>
        <Button icon="signOut" className="self-start md:self-end" onClick={() => void signOut()}>
          {t("auth.signOut")}
        </Button>
      </Section>
      <Section title={t("mine.export")} lead={t("mine.exportLead")}>
        <Button icon="download" busy={take.isPending} className="self-start md:self-end" onClick={() => take.mutate("madang.zip", { onSuccess: () => toast(t("mine.exported")) })}>
          {t("mine.exportButton")}
        </Button>
      </Section>
      <Section title={t("mine.leave")} lead={t("mine.leaveLead")}>
        <Button kind="grave" icon="trash" className="self-start md:self-end" onClick={() => setAsking("leave")}>
          {t("mine.leaveButton")}
        </Button>
      </Section>
      {asking === "name" && <Rename user={user} onClose={close} />}
      {asking === "email" && <ChangeEmail user={user} onClose={close} />}
      {asking === "leave" && <Leave user={user} onClose={close} />}
    </>
  );
}

function Line({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex min-h-10 flex-wrap items-center justify-between gap-x-4 gap-y-1">
      <span className="text-ink-2">{label}</span>
      <span className="ml-auto flex flex-wrap items-center justify-end gap-3">{children}</span>
    </div>
  );
}

function Email({ user, onChange }: { user: User; onChange: () => void }) {
  const { t } = useTranslation();
  const canAsk = useSetup().data?.sends_mail === true;
  const ask = useMutation({
    mutationFn: askForVerification,
    onSuccess: () => toast(t("mine.verificationSent")),
    onError: (error) => toast(sayError(codeOf(error)), { danger: true }),
  });
  return (
    <Line label={t("auth.email")}>
      <span>{user.email}</span>
      {user.email_verified && <Badge tone="good">{t("mine.verified")}</Badge>}
      {!user.email_verified && canAsk && (
        <>
          <Badge>{t("mine.unverified")}</Badge>
          <Button busy={ask.isPending} onClick={() => ask.mutate(user.email)}>
            {t("mine.sendVerification")}
          </Button>
        </>
      )}
      <Button aria-label={t("mine.emailTitle")} onClick={onChange}>
        {t("mine.change")}
      </Button>
    </Line>
  );
}

/** Codes of refusals that are about the address. */
const ABOUT_EMAIL = /^email_/;

function ChangeEmail({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const byMail = useSetup().data?.sends_mail === true;
  const change = useChangeEmail();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState(false);
  const code = change.error === null ? null : codeOf(change.error);
  const atEmail = missing ? t("auth.emailNeeded") : code !== null && ABOUT_EMAIL.test(code) ? sayError(code) : undefined;
  const submit = () => {
    const wanted = email.trim();
    setMissing(wanted === "");
    if (wanted !== "") change.mutate({ email: wanted, password }, { onSuccess: (now) => done(wanted, now.email !== user.email) });
  };
  const done = (wanted: string, isChanged: boolean) => {
    toast(isChanged ? t("mine.emailChanged") : t("mine.emailSent", { email: wanted }));
    onClose();
  };
  return (
    <Sure
      title={t("mine.emailTitle")}
      lead={t(byMail ? "mine.emailLead" : "mine.emailLeadNow")}
      submit={t(byMail ? "mine.emailSend" : "mine.emailTitle")}
      busy={change.isPending}
      error={atEmail === undefined ? change.error : null}
      password={password}
      onPassword={setPassword}
      onSubmit={submit}
      onClose={onClose}
    >
      <Field label={t("mine.emailNew")} name="email" type="email" autoComplete="email" autoCapitalize="none" error={atEmail} value={email} onChange={(event) => setEmail(event.target.value)} />
    </Sure>
  );
}

function Rename({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const change = useChangeName(user.id);
  const [name, setName] = useState(user.name);
  const done = () => {
    toast(t("mine.saved"));
    onClose();
  };
  return (
    <FormDialog open title={t("mine.nameTitle")} submit={t("common.save")} busy={change.isPending} error={change.error} onSubmit={() => change.mutate(name.trim(), { onSuccess: done })} onClose={onClose}>
      <Field label={t("auth.name")} name="name" autoComplete="name" maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
    </FormDialog>
  );
}

function Leave({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const leave = useLeaveHouse(user.id);
  const [password, setPassword] = useState("");
  const done = () => {
    toast(t("mine.left"));
    void signOut();
  };
  return (
    <Sure
      danger
      title={t("mine.leaveTitle", { email: user.email })}
      lead={t("mine.leaveBody")}
      submit={t("mine.leaveButton")}
      busy={leave.isPending}
      error={leave.error}
      password={password}
      onPassword={setPassword}
      onSubmit={() => leave.mutate(password, { onSuccess: done })}
      onClose={onClose}
    />
  );
}
