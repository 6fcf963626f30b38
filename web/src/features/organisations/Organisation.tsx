import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Problem } from "@/kernel/api/problem";
import { auth } from "@/kernel/auth";
import { useStore } from "@/kernel/store";
import { useTitle } from "@/kernel/title";
import { Badge, Button, Empty, Failed, Note, Sections, Skeleton, SkeletonList } from "@/kernel/ui";
import { type Permission, type Scope, useScope, useTurn } from "./api";
import { Directory } from "./Directory";
import { Invites } from "./Invites";
import { Members } from "./Members";
import { Overview } from "./Overview";
import { Places } from "./Places";
import { may } from "./roles";
import { Tree } from "./Tree";
import { type Section, SECTIONS, type Ways } from "./ways";

interface OrganisationProps {
  id: string;
  section: Section;
  ways: Ways;
  /** What the features above show of a scope, given by whoever composes the screens. */
  spending: (scope: Scope) => ReactNode;
  budgets: (scope: Scope) => ReactNode;
  usage: (scope: Scope) => ReactNode;
  audit: (scope: Scope) => ReactNode;
}

const NEEDED: Record<Section, Permission> = {
  overview: "scope.read",
  members: "members.read",
  invites: "invites.manage",
  places: "scope.read",
  budgets: "budgets.read",
  usage: "usage.read",
  directory: "provisioning.manage",
  audit: "audit.read",
};

/** The console of an organisation, a partner or a class. */
export function Organisation(props: OrganisationProps) {
  const { t } = useTranslation();
  const query = useScope(props.id);
  useTitle(query.data && t(`organisations.section.${props.section}`), query.data?.name ?? t("organisations.title"));
  if (query.data) return <Opened scope={query.data} {...props} />;
  const unknown = query.error instanceof Problem && query.error.status === 404;
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-page flex-col gap-6 px-5 pt-8 md:pt-14">
        {query.isPending && <Waiting />}
        {query.isError && !unknown && <Failed title={t("organisations.failed")} error={query.error} onRetry={() => void query.refetch()} />}
        {unknown && (
          <Empty title={t("organisations.missing")} body={t("organisations.missingBody")}>
            <Button kind="primary" onClick={props.ways.leave}>
              {t("organisations.all")}
            </Button>
          </Empty>
        )}
      </div>
    </div>
  );
}

function Waiting() {
  return (
    <>
      <Skeleton className="h-10 w-64" />
      <SkeletonList rows={4} className="h-12" />
    </>
  );
}

/** Whether a section is open to the caller, and has something to show of this kind of place. */
function opens(scope: Scope, section: Section): boolean {
  if (section === "places" && scope.kind === "class") return false;
  if (section === "directory" && scope.kind !== "organisation") return false;
  return may(scope, NEEDED[section]);
}

function Opened({ scope, ...props }: { scope: Scope } & OrganisationProps) {
  const { t } = useTranslation();
  const { section, ways } = props;
  const open = SECTIONS.filter((one) => opens(scope, one));
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto flex w-full max-w-console gap-10 px-5 pt-8 pb-24 md:pt-14">
        <div className="hidden w-56 shrink-0 pt-1 lg:block">
          <Tree current={scope} section={section} ways={ways} />
        </div>
        <div className="flex min-w-0 flex-1 flex-col gap-6">
          <Heading scope={scope} ways={ways} />
          <Sections label={t("organisations.sections")} current={section} sections={open.map((one) => [one, t(`organisations.section.${one}`)] as const)} link={(one, className, current, name) => ways.link(scope.id, one, className, current, name)} />
          <Standing scope={scope} />
          {opens(scope, section) ? <Content key={scope.id} scope={scope} {...props} /> : <Closed scope={scope} />}
        </div>
      </div>
    </div>
  );
}

function Heading({ scope, ways }: { scope: Scope; ways: Ways }) {
  const { t } = useTranslation();
  return (
    <header className="flex flex-col gap-1">
      <Crumbs scope={scope} ways={ways} />
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h1 title={scope.name} className="line-clamp-3 text-2xl font-semibold">
          {scope.name}
        </h1>
        <Badge>{t(`places.${scope.kind}`)}</Badge>
        {scope.status === "suspended" && <Badge tone="bad">{t("places.suspended")}</Badge>}
      </div>
    </header>
  );
}

/** The way up, where the tree is not shown beside. */
function Crumbs({ scope, ways }: { scope: Scope; ways: Ways }) {
  const { t } = useTranslation();
  const above = scope.path.slice(0, -1);
  return (
    <nav aria-label={t("places.way")} className="text-sm text-ink-3">
      <ol className="flex flex-wrap items-center gap-x-2">
        <li>
          <button type="button" onClick={ways.leave} className="rounded-sm hover:text-accent hover:underline hover:underline-offset-4">
            {t("organisations.title")}
          </button>
        </li>
        {above.map((id) => (
          <Crumb key={id} id={id} ways={ways} />
        ))}
      </ol>
    </nav>
  );
}

function Crumb({ id, ways }: { id: string; ways: Ways }) {
  const { data } = useScope(id);
  if (!data) return null;
  return (
    <li className="flex gap-x-2 before:content-['/']">
      {ways.link(id, "overview", "max-w-60 truncate rounded-sm hover:text-accent hover:underline hover:underline-offset-4", false, data.name)}
    </li>
  );
}

/** Says when a scope is suspended, and offers the way back to those who may take it. */
function Standing({ scope }: { scope: Scope }) {
  const { t } = useTranslation();
  const turn = useTurn();
  if (scope.status === "active") return null;
  return (
    <Note tone="bad">
      <span className="flex flex-wrap items-center justify-between gap-3">
        {t("places.suspendedNote")}
        {may(scope, "scope.suspend") && (
          <Button busy={turn.isPending} onClick={() => turn.mutate({ id: scope.id, turn: "resume" })}>
            {t("places.resume")}
          </Button>
        )}
      </span>
    </Note>
  );
}

function Closed({ scope }: { scope: Scope }) {
  const { t } = useTranslation();
  return <Empty title={t("organisations.closed")} body={scope.status === "suspended" ? t("organisations.closedSuspended") : t("organisations.closedBody", { role: scope.my_role ? t(`roles.${scope.my_role}`) : "" })} />;
}

function Content({ scope, section, ways, spending, budgets, usage, audit }: { scope: Scope } & OrganisationProps) {
  const who = useStore(auth);
  const me = who.state === "in" ? who.user : null;
  if (me === null) return null;
  const isSupervisor = me.role === "supervisor";
  const contents: Record<Section, () => ReactNode> = {
    overview: () => <Overview scope={scope} ways={ways} spending={may(scope, "usage.read") ? spending(scope) : null} />,
    members: () => <Members scope={scope} meId={me.id} isSupervisor={isSupervisor} />,
    invites: () => <Invites scope={scope} isSupervisor={isSupervisor} />,
    places: () => <Places scope={scope} ways={ways} />,
    budgets: () => budgets(scope),
    usage: () => usage(scope),
    directory: () => <Directory scope={scope} isSupervisor={isSupervisor} />,
    audit: () => audit(scope),
  };
  return contents[section]();
}
