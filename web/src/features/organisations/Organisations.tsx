import { useTranslation } from "react-i18next";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Badge, Empty, Failed, SkeletonList } from "@/kernel/ui";
import { type Membership, useMemberships } from "./api";
import { MyDeleted } from "./Deleted";
import type { Ways } from "./ways";

/** Everywhere that one is a member. */
export function Organisations({ ways }: { ways: Ways }) {
  const { t } = useTranslation();
  const query = useMemberships();
  useTitle(t("organisations.title"));
  // Supervisors find all that was deleted in their own console.
  const who = useStore(auth);
  const isSupervisor = who.state === "in" && who.user.role === "supervisor";
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-page flex-col gap-6 px-5 pt-8 pb-24 md:pt-14">
        <div>
          <h1 className="text-2xl font-semibold">{t("organisations.title")}</h1>
          <p className="mt-1 text-ink-2">{t("organisations.lead")}</p>
        </div>
        {query.data === undefined && query.isError && <Failed title={t("organisations.failed")} error={query.error} onRetry={() => void query.refetch()} />}
        {query.isPending && <SkeletonList rows={3} className="h-16" />}
        {query.data?.length === 0 && <Empty title={t("organisations.none")} body={t("organisations.noneBody")} />}
        {query.data && query.data.length > 0 && (
          <ul className="flex flex-col">
            {query.data.map((one) => (
              <Mine key={one.id} membership={one} ways={ways} />
            ))}
          </ul>
        )}
        {!isSupervisor && <MyDeleted />}
      </div>
    </div>
  );
}

function Mine({ membership: one, ways }: { membership: Membership; ways: Ways }) {
  const { t } = useTranslation();
  const closed = one.status === "suspended";
  const name = (
    <span title={one.name} className="line-clamp-2 font-medium">
      {one.name}
    </span>
  );
  const above = one.names.slice(0, -1).join(" / ");
  return (
    <li className="flex min-h-16 items-center justify-between gap-4 border-b border-line py-3">
      <div className="min-w-0">
        {closed ? name : ways.link(one.scope_id, "overview", "rounded-sm hover:text-accent hover:underline hover:underline-offset-4", false, name)}
        <p className="text-sm text-ink-3">{[above, t(`places.${one.kind}`)].filter(Boolean).join(" · ")}</p>
        {closed && <p className="text-sm text-danger">{t("organisations.suspendedHere")}</p>}
      </div>
      <span className="flex shrink-0 flex-wrap justify-end gap-2">
        {!closed && one.scope_status === "suspended" && <Badge tone="bad">{t("places.suspended")}</Badge>}
        <Badge>{t(`roles.${one.role}`)}</Badge>
      </span>
    </li>
  );
}
