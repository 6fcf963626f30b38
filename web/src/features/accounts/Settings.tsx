import { RadioGroup } from "radix-ui";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { auth, signOut, type User } from "@/kernel/auth";
import { copyText } from "@/kernel/copy";
import { sayError } from "@/kernel/i18n";
import { useStore } from "@/kernel/store";
import { theme } from "@/kernel/theme";
import { Button, IconButton, Time, toast } from "@/kernel/ui";
import { useChoose, useInvite, useInvites } from "./api";

/** Settings; `model` is the feature above's own section, given by whoever composes the screens. */
export function Settings({ model }: { model: ReactNode }) {
  const { t, i18n } = useTranslation();
  const choose = useChoose();
  const chosenTheme = useStore(theme);
  const who = useStore(auth);
  const change = (preference: Parameters<typeof choose.mutate>[0]) =>
    choose.mutate(preference, { onError: (error) => toast(sayError(codeOf(error)), { danger: true }) });
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-column flex-col gap-2 px-5 pt-8 pb-24 md:pt-14">
        <h1 className="mb-4 text-2xl font-semibold">{t("settings.title")}</h1>
        <Section title={t("settings.appearance")}>
          <Row label={t("settings.language")}>
            {(id) => (
              <Segments
                labelledBy={id}
                value={i18n.language}
                options={[
                  ["ko", "한국어"],
                  ["en", "English"],
                ]}
                onChange={(language) => change({ language: language === "ko" ? "ko" : "en" })}
              />
            )}
          </Row>
          <Row label={t("settings.theme")}>
            {(id) => (
              <Segments
                labelledBy={id}
                value={chosenTheme}
                options={[
                  ["system", t("settings.system")],
                  ["light", t("settings.light")],
                  ["dark", t("settings.dark")],
                ]}
                onChange={(value) => change({ theme: value === "light" || value === "dark" ? value : "system" })}
              />
            )}
          </Row>
        </Section>
        <Section title={t("settings.model")} lead={t("settings.modelLead")}>
          {model}
        </Section>
        {who.state === "in" && <Account user={who.user} />}
        {who.state === "in" && who.user.role === "supervisor" && <Invites />}
        <Keyboard />
      </div>
    </div>
  );
}

function Section({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  return (
    <section className="grid gap-4 border-t border-line py-7 md:grid-cols-[200px_1fr] md:gap-8">
      <div>
        <h2 className="font-semibold">{title}</h2>
        {lead !== undefined && <p className="mt-1 text-sm text-ink-3">{lead}</p>}
      </div>
      <div className="flex min-w-0 flex-col gap-4">{children}</div>
    </section>
  );
}

function Row({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
      <span id={id} className="text-ink-2">
        {label}
      </span>
      {children(id)}
    </div>
  );
}

interface SegmentsProps {
  labelledBy: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Segments({ labelledBy, value, options, onChange }: SegmentsProps) {
  return (
    <RadioGroup.Root aria-labelledby={labelledBy} value={value} onValueChange={onChange} className="flex rounded-md bg-sunk p-1">
      {options.map(([option, label]) => (
        <RadioGroup.Item
          key={option}
          value={option}
          className="min-h-8 rounded-sm px-4 text-ink-2 transition-colors hover:text-ink data-[state=checked]:bg-raised data-[state=checked]:font-medium data-[state=checked]:text-ink data-[state=checked]:shadow-rest"
        >
          {label}
        </RadioGroup.Item>
      ))}
    </RadioGroup.Root>
  );
}

function Account({ user }: { user: User }) {
  const { t } = useTranslation();
  return (
    <Section title={t("settings.account")}>
      <Row label={t("auth.name")}>{() => <span>{user.name}</span>}</Row>
      <Row label={t("auth.email")}>{() => <span>{user.email}</span>}</Row>
      <Row label={t("settings.role")}>{() => <span>{t(`settings.${user.role}`)}</span>}</Row>
      <Row label={t("settings.joined")}>{() => <Time iso={user.created_at} />}</Row>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-ink-3">{t("settings.signOutLead")}</p>
        <Button icon="signOut" onClick={() => void signOut()}>
          {t("auth.signOut")}
        </Button>
      </div>
    </Section>
  );
}

function Invites() {
  const { t, i18n } = useTranslation();
  const invites = useInvites(true);
  const invite = useInvite();
  const code = invite.data?.code;
  const copy = async (value: string) => {
    if (await copyText(value)) toast(t("common.copied"));
  };
  return (
    <Section title={t("settings.invites")} lead={t("settings.invitesLead")}>
      {code ? (
        <div className="rounded-md bg-accent-wash p-4">
          <p className="text-sm text-ink-2">{t("settings.inviteCode")}</p>
          <p className="mt-1 flex items-center justify-between gap-2 font-mono text-lg">
            {code}
            <IconButton icon="copy" label={t("common.copy")} onClick={() => void copy(code)} />
          </p>
        </div>
      ) : null}
      {invites.data?.items.length === 0 && !code && <p className="text-ink-3">{t("settings.noInvites")}</p>}
      <ul className="flex flex-col">
        {invites.data?.items.map((one) => (
          <li key={one.id} className="flex flex-wrap justify-between gap-x-4 border-b border-line py-2 text-sm text-ink-2">
            <span>{one.note || t("settings.inviteUses", { used: one.used_count, max: one.max_uses })}</span>
            <span className="text-ink-3">{t("settings.expires", { when: new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(one.expires_at)) })}</span>
          </li>
        ))}
      </ul>
      <Button icon="plus" busy={invite.isPending} onClick={() => invite.mutate(undefined, { onError: (error) => toast(sayError(codeOf(error)), { danger: true }) })} className="self-start">
        {t("settings.newInvite")}
      </Button>
    </Section>
  );
}

function Keyboard() {
  const { t } = useTranslation();
  const apple = navigator.userAgent.includes("Mac");
  const control = apple ? "⌘" : "Ctrl";
  const keys: [string, string][] = [
    [t("settings.keySend"), "Enter"],
    [t("settings.keyNewline"), "Shift Enter"],
    [t("settings.keyStop"), "Esc"],
    [t("settings.keySearch"), `${control} K`],
    [t("settings.keyNew"), `${control} Shift O`],
  ];
  return (
    <Section title={t("settings.keyboard")}>
      <dl className="grid grid-cols-[1fr_auto] items-center gap-y-2">
        {keys.map(([what, combination]) => (
          <div key={what} className="contents">
            <dt className="text-ink-2">{what}</dt>
            <dd className="flex gap-1">
              {combination.split(" ").map((key) => (
                <kbd key={key} className="min-w-7 rounded-sm border border-line bg-raised px-2 text-center font-sans text-sm text-ink-2">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
