import { useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { exact } from "@/kernel/time";
import { Badge, Button, Confirm, DataTable, Failed, Field, FormDialog, IconButton, Named, Nothing, Part, Select, SkeletonList, Time, toast } from "@/kernel/ui";
import type { Scope } from "./api";
import { type NewToken, type Token, useEndToken, useMakeToken, useTokens } from "./directory";
import { Groups } from "./Groups";

const DAYS = ["30", "90", "365", "forever"] as const;

/** What lets a directory manage an organisation's people, and what its groups give them. */
export function Directory({ scope, isSupervisor }: { scope: Scope; isSupervisor: boolean }) {
  const { t } = useTranslation();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewToken | null>(null);
  return (
    <div className="flex flex-col gap-10">
      <Part
        title={t("directory.title")}
        lead={t("directory.lead")}
        action={
          <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
            {t("directory.new")}
          </Button>
        }
      >
        {made && <TokenShown token={made} onClose={() => setMade(null)} />}
        <Tokens scope={scope} />
      </Part>
      <Groups scope={scope} isSupervisor={isSupervisor} />
      {making && (
        <TokenForm
          scope={scope}
          onMade={(token) => {
            setMade(token);
            setMaking(false);
          }}
          onClose={() => setMaking(false)}
        />
      )}
    </div>
  );
}

function Tokens({ scope }: { scope: Scope }) {
  const { t } = useTranslation();
  const query = useTokens(scope.id);
  const [doomed, setDoomed] = useState<Token | null>(null);
  const end = useEndToken(scope.id);
  if (query.isError && query.data === undefined) return <Failed title={t("directory.failed")} error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <SkeletonList rows={2} className="h-12" />;
  if (query.data.length === 0) return <Nothing>{t("directory.empty")}</Nothing>;
  return (
    <>
      <DataTable
        label={t("directory.tokens")}
        rows={query.data}
        rowKey={(token) => token.id}
        faded={isOver}
        columns={[
          {
            key: "name",
            title: t("directory.name"),
            cell: (token) => (
              <Named
                name={token.name}
                narrow={
                  <>
                    <LastUse token={token} />
                    <Ends token={token} />
                  </>
                }
              />
            ),
          },
          { key: "used", title: t("directory.used"), wideOnly: true, cell: (token) => <LastUse token={token} /> },
          { key: "ends", title: t("directory.expires"), wideOnly: true, cell: (token) => <Ends token={token} /> },
        ]}
        actions={(token) => <IconButton icon="trash" size={16} label={`${t("directory.end")}: ${token.name}`} onClick={() => setDoomed(token)} />}
      />
      {doomed && (
        <Confirm
          open
          title={t("directory.endTitle", { name: doomed.name })}
          body={t("directory.endBody")}
          action={t("directory.end")}
          busy={end.isPending}
          onConfirm={() => end.mutate(doomed.id, { onSuccess: () => toast(t("directory.ended")), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </>
  );
}

const isOver = (token: Token, now = Date.now()) => token.expires_at !== null && Date.parse(token.expires_at) <= now;

function LastUse({ token }: { token: Token }) {
  const { t } = useTranslation();
  return token.last_used_at === null ? <span className="text-ink-3">{t("directory.unused")}</span> : <Time iso={token.last_used_at} className="text-ink-2" />;
}

function Ends({ token }: { token: Token }) {
  const { t, i18n } = useTranslation();
  if (token.expires_at === null) return <span className="text-ink-2">{t("directory.forever")}</span>;
  if (isOver(token)) return <Badge tone="bad">{t("directory.over")}</Badge>;
  return (
    <span title={exact(token.expires_at, i18n.language)} className="text-ink-2">
      {t("directory.until", { when: new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(new Date(token.expires_at)) })}
    </span>
  );
}

function TokenForm({ scope, onMade, onClose }: { scope: Scope; onMade: (token: NewToken) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const make = useMakeToken(scope.id);
  const [name, setName] = useState("");
  const [days, setDays] = useState<(typeof DAYS)[number]>("365");
  const [tried, setTried] = useState(false);
  const send = () => {
    setTried(true);
    if (name.trim() !== "") make.mutate({ name: name.trim(), expires_in_days: days === "forever" ? null : Number(days) }, { onSuccess: onMade });
  };
  return (
    <FormDialog open title={t("directory.new")} lead={t("directory.newLead")} submit={t("directory.make")} busy={make.isPending} error={make.error} onSubmit={send} onClose={onClose}>
      <Field label={t("directory.name")} name="name" maxLength={200} autoComplete="off" hint={t("directory.nameHint")} error={tried && name.trim() === "" ? t("directory.nameNeeded") : undefined} value={name} onChange={(event) => setName(event.target.value)} />
      <Select label={t("directory.valid")} value={days} options={DAYS.map((one) => [one, one === "forever" ? t("directory.forever") : t("directory.days", { count: Number(one) })] as const)} onValue={setDays} />
    </FormDialog>
  );
}

/** A token and where the directory is to send, this once. */
function TokenShown({ token, onClose }: { token: NewToken; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <div role="status" className="flex flex-col gap-4 rounded-lg bg-accent-wash p-5">
      <p className="font-medium">{t("directory.once")}</p>
      <Once label={t("directory.url")} value={token.url} />
      <Once label={t("directory.token")} value={token.token} />
      <Button className="self-start" onClick={onClose}>
        {t("directory.done")}
      </Button>
    </div>
  );
}

function Once({ label, value }: { label: string; value: string }) {
  const { t } = useTranslation();
  const copy = async () => {
    if (await copyText(value)) toast(t("common.copied"));
  };
  return (
    <div>
      <p className="text-sm text-ink-2">{label}</p>
      <p className="flex items-start justify-between gap-2 font-mono break-all">
        {value}
        <IconButton icon="copy" size={16} label={`${t("common.copy")}: ${label}`} onClick={() => void copy()} className="-my-1.5" />
      </p>
    </div>
  );
}
