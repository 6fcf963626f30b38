import { type SyntheticEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { go } from "@/kernel/address";
import { Badge, Button, Confirm, Failed, Field, Note, Part, SkeletonList, Time, toast } from "@/kernel/ui";
import { type Membership, useDeleted, useLeave, useMemberships } from "./api";

/** Where one belongs, with the way out; and a field for the code that leads to one more. */
export function MyPlaces({ onCode }: { onCode: (code: string) => void }) {
  const { t } = useTranslation();
  const query = useMemberships();
  const leave = useLeave();
  const [doomed, setDoomed] = useState<Membership | null>(null);
  return (
    <div className="flex flex-col gap-10 pt-7">
      <Part title={t("myPlaces.title")} lead={t("myPlaces.lead")}>
        {query.data === undefined && query.isError && <Failed title={t("myPlaces.failed")} error={query.error} onRetry={() => void query.refetch()} />}
        {query.isPending && <SkeletonList rows={2} className="h-14" />}
        {query.data?.length === 0 && <p className="text-ink-3">{t("myPlaces.empty")}</p>}
        {query.data && query.data.length > 0 && (
          <ul className="flex flex-col border-t border-line">
            {query.data.map((one) => (
              <One key={one.id} membership={one} onLeave={() => setDoomed(one)} />
            ))}
          </ul>
        )}
      </Part>
      <DeletedNote />
      <Code onCode={onCode} />
      {doomed && (
        <Confirm
          open
          title={t("myPlaces.leaveTitle", { name: doomed.name })}
          body={t("myPlaces.leaveBody")}
          action={t("myPlaces.leave")}
          busy={leave.isPending}
          onConfirm={() => leave.mutate(doomed.scope_id, { onSuccess: () => toast(t("myPlaces.left", { name: doomed.name })), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </div>
  );
}

/** The way to the organisations that one owned and deleted, which nothing else leads to when there are no others. */
function DeletedNote() {
  const { t } = useTranslation();
  const owned = useDeleted(null).items?.filter((one) => one.my_role === "owner") ?? [];
  if (owned.length === 0) return null;
  return (
    <Note>
      <span className="flex flex-wrap items-center justify-between gap-3">
        {t("myPlaces.deleted", { count: owned.length })}
        <Button onClick={() => go("/organisations")}>{t("myPlaces.look")}</Button>
      </span>
    </Note>
  );
}

function One({ membership: one, onLeave }: { membership: Membership; onLeave: () => void }) {
  const { t } = useTranslation();
  const closed = one.status === "suspended";
  return (
    <li className="flex min-h-14 items-center justify-between gap-3 border-b border-line py-2">
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-2">
          <span title={one.name} className="line-clamp-2 font-medium">
            {one.name}
          </span>
          <Badge tone={closed ? "bad" : "calm"}>{closed ? t("myPlaces.suspended") : t(`myPlaces.role.${one.role}`)}</Badge>
        </div>
        <p className="text-sm text-ink-3">
          {one.names.length > 1 && `${one.names.slice(0, -1).join(" / ")} · `}
          <Time iso={one.joined_at} say={(when) => t("myPlaces.joined", { when })} />
        </p>
      </div>
      {!closed && (
        <Button kind="quiet" aria-label={`${t("myPlaces.leave")}: ${one.name}`} onClick={onLeave}>
          {t("myPlaces.leave")}
        </Button>
      )}
    </li>
  );
}

function Code({ onCode }: { onCode: (code: string) => void }) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const [tried, setTried] = useState(false);
  const send = (event: SyntheticEvent) => {
    event.preventDefault();
    setTried(true);
    if (code.trim() !== "") onCode(code.trim());
  };
  return (
    <form noValidate onSubmit={send} className="flex max-w-form flex-col items-start gap-3">
      <div className="w-full">
        <Field label={t("myPlaces.code")} name="code" autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={64} hint={t("myPlaces.codeLead")} error={tried && code.trim() === "" ? t("myPlaces.codeNeeded") : undefined} value={code} onChange={(event) => setCode(event.target.value)} />
      </div>
      <Button type="submit">{t("myPlaces.go")}</Button>
    </form>
  );
}
