import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, cx, IconButton, Skeleton } from "@/kernel/ui";
import { type Scope, useChildren, useScope } from "./api";
import type { Section, Ways } from "./ways";

interface TreeProps {
  current: Scope;
  section: Section;
  ways: Ways;
}

/** The highest place on the path that this person sees, and what lies beneath it; the way to the current one is open. */
export function Tree({ current, section, ways }: TreeProps) {
  const { t } = useTranslation();
  const top = useTop(current);
  return (
    <nav aria-label={t("places.tree")} className="flex flex-col gap-2">
      <ul>{top ? <Branch scope={top} current={current} section={section} ways={ways} /> : <Skeleton className="h-9" />}</ul>
    </nav>
  );
}

/** The first scope from the organisation down that this person can see. */
function useTop(current: Scope): Scope | null {
  const [first = current.id, second = current.id] = current.path;
  const one = useScope(first);
  const two = useScope(second);
  if (one.data) return one.data;
  if (one.isPending) return null;
  if (two.data) return two.data;
  return two.isPending ? null : current;
}

function Branch({ scope, current, section, ways }: { scope: Scope } & TreeProps) {
  const { t } = useTranslation();
  const here = scope.id === current.id;
  const [open, setOpen] = useState<boolean | null>(null);
  const shown = open ?? current.path.includes(scope.id);
  return (
    <li>
      <div className={cx("flex items-center rounded-md transition-colors", here ? "bg-accent-wash" : "hover:bg-sunk")}>
        {scope.kind === "class" ? (
          <span className="w-8 shrink-0" />
        ) : (
          <IconButton icon={shown ? "down" : "forward"} size={16} aria-expanded={shown} label={t(shown ? "places.fold" : "places.unfold", { name: scope.name })} onClick={() => setOpen(!shown)} className="size-8" />
        )}
        {ways.link(scope.id, here ? section : "overview", cx("min-w-0 flex-1 truncate rounded-md py-1.5 pr-3", here ? "font-medium text-ink" : "text-ink-2 hover:text-ink"), here, scope.name)}
      </div>
      {shown && scope.kind !== "class" && <Twigs scope={scope} current={current} section={section} ways={ways} />}
    </li>
  );
}

function Twigs({ scope, current, section, ways }: { scope: Scope } & TreeProps) {
  const { t } = useTranslation();
  const { items, query } = useChildren(scope.id);
  if (query.isError && items === null) return null;
  if (items === null) return <Skeleton className="my-1 ml-8 h-7" />;
  return (
    <ul className="ml-4 border-l border-line pl-1">
      {items.map((child) => (
        <Branch key={child.id} scope={child} current={current} section={section} ways={ways} />
      ))}
      {query.hasNextPage && (
        <li>
          <Button kind="quiet" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()} className="min-h-8 px-3 py-1 text-sm">
            {t("common.more")}
          </Button>
        </li>
      )}
    </ul>
  );
}
