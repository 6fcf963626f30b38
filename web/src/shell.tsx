import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { SessionList } from "@/features/chat/public";
import { useMemberships } from "@/features/organisations/public";
import { auth } from "@/kernel/auth";
import { connection } from "@/kernel/connection";
import { useStore } from "@/kernel/store";
import { cx, Dialog, Icon, IconButton, type IconName, Mark } from "@/kernel/ui";

const WIDE = matchMedia("(min-width: 768px)");

function useWide(): boolean {
  const [wide, setWide] = useState(WIDE.matches);
  useEffect(() => {
    const look = () => setWide(WIDE.matches);
    WIDE.addEventListener("change", look);
    return () => WIDE.removeEventListener("change", look);
  }, []);
  return wide;
}

/** The house around every screen: the rail beside it, or on a phone a bar above it that opens the rail as its own screen. */
export function Shell() {
  const { t } = useTranslation();
  const wide = useWide();
  const [railShown, setRailShown] = useState(true);
  const [menu, setMenu] = useState(false);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const current = /^\/chat\/([^/]+)/.exec(path)?.[1] ?? null;
  const [seen, setSeen] = useState(path);
  if (seen !== path) {
    setSeen(path);
    setMenu(false);
  }
  useShortcuts(() => {
    if (wide) setRailShown(true);
    else setMenu(true);
  });
  const openRail = () => (wide ? setRailShown(true) : setMenu(true));
  return (
    <div className="flex h-full">
      <a href="#content" className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-4 focus:py-2 focus:shadow-pop">
        {t("common.skip")}
      </a>
      {wide && railShown && (
        <aside aria-label={t("nav.main")} className="flex w-[272px] shrink-0 flex-col border-r border-line">
          <Rail current={current} path={path} action={<IconButton icon="panel" label={t("nav.collapse")} onClick={() => setRailShown(false)} />} />
        </aside>
      )}
      {!wide && (
        <Dialog open={menu} onClose={() => setMenu(false)} label={t("nav.main")} className="h-dvh w-full bg-ground">
          <div className="flex h-full animate-rise flex-col">
            <Rail current={current} path={path} action={<IconButton icon="close" label={t("common.close")} onClick={() => setMenu(false)} />} />
          </div>
        </Dialog>
      )}
      <div className="flex min-w-0 flex-1 flex-col">
        {(!wide || !railShown) && <Bar onOpen={openRail} wide={wide} />}
        <Offline />
        <main id="content" tabIndex={-1} className="min-h-0 flex-1 outline-none">
          <Outlet />
        </main>
      </div>
    </div>
  );
}

function useShortcuts(onSearch: () => void): void {
  const navigate = useNavigate();
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey)) return;
      if (event.key.toLowerCase() === "k") {
        event.preventDefault();
        onSearch();
        requestAnimationFrame(() => document.getElementById("session-search")?.focus());
      }
      if (event.shiftKey && event.key.toLowerCase() === "o") {
        event.preventDefault();
        void navigate({ to: "/" });
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

function Bar({ onOpen, wide }: { onOpen: () => void; wide: boolean }) {
  const { t } = useTranslation();
  return (
    <header className={cx("flex h-14 shrink-0 items-center gap-2 px-2", !wide && "border-b border-line")}>
      <IconButton icon={wide ? "panel" : "menu"} label={wide ? t("nav.expand") : t("nav.openMenu")} onClick={onOpen} />
      {!wide && <span className="flex-1 text-center font-semibold">{t("brand")}</span>}
      <Link to="/" aria-label={t("sessions.new")} title={t("sessions.new")} className="grid size-9 place-items-center rounded-md text-ink-2 hover:bg-sunk hover:text-ink">
        <Icon name="plus" />
      </Link>
    </header>
  );
}

function Rail({ current, path, action }: { current: string | null; path: string; action: ReactNode }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <>
      <div className="flex items-center justify-between py-3 pr-2 pl-5">
        <Link to="/" className="flex items-center gap-2.5 rounded-sm text-lg font-semibold">
          <Mark size={24} />
          {t("brand")}
        </Link>
        {action}
      </div>
      <div className="px-3 pb-2">
        <Link to="/" aria-current={path === "/" ? "page" : undefined} className={cx("flex h-10 items-center gap-3 rounded-md border border-line bg-raised px-3 font-medium transition-colors hover:border-line-strong")}>
          <Icon name="plus" size={16} className="text-accent" />
          {t("sessions.new")}
        </Link>
      </div>
      <SessionList
        current={current}
        link={(id, className, isCurrent, title) => (
          <Link to="/chat/$id" params={{ id }} data-session title={title} aria-current={isCurrent ? "page" : undefined} className={className}>
            {title}
          </Link>
        )}
        onDeleted={(id) => {
          if (id === current) void navigate({ to: "/" });
        }}
      />
      <div className="border-t border-line p-3">
        <Place to="/documents" icon="document" label={t("nav.documents")} path={path} />
        <Consoles path={path} />
        <Place to="/settings/{-$section}" icon="settings" label={t("nav.settings")} path={path} />
      </div>
    </>
  );
}

/** The consoles, for those who have something there. */
function Consoles({ path }: { path: string }) {
  const { t } = useTranslation();
  const { data } = useMemberships();
  const who = useStore(auth);
  return (
    <>
      {data !== undefined && data.length > 0 && <Place to="/organisations" icon="organisation" label={t("nav.organisations")} path={path} />}
      {who.state === "in" && who.user.role === "supervisor" && <Place to="/supervisor/{-$section}" icon="house" label={t("nav.supervisor")} path={path} />}
    </>
  );
}

function Place({ to, icon, label, path }: { to: "/documents" | "/organisations" | "/supervisor/{-$section}" | "/settings/{-$section}"; icon: IconName; label: string; path: string }) {
  const here = path.startsWith(to.replace("/{-$section}", ""));
  return (
    <Link to={to} aria-current={here ? "page" : undefined} className={cx("flex h-10 items-center gap-3 rounded-md px-3 transition-colors", here ? "bg-accent-wash font-medium text-ink" : "text-ink-2 hover:bg-sunk hover:text-ink")}>
      <Icon name={icon} className={here ? "text-accent" : ""} />
      {label}
    </Link>
  );
}

function Offline() {
  const { t } = useTranslation();
  if (useStore(connection) === "up") return null;
  return (
    <p role="status" className="flex items-center justify-center gap-2 bg-danger-wash px-4 py-1.5 text-sm text-danger">
      <span className="size-2 animate-breathe rounded-full bg-danger" />
      {t("offline.banner")}
    </p>
  );
}
