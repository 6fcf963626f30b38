import { QueryClientProvider } from "@tanstack/react-query";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, RouterProvider, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { usePreferences, Welcome } from "@/features/accounts/public";
import { auth, renewed } from "@/kernel/auth";
import { connection } from "@/kernel/connection";
import { queries } from "@/kernel/query";
import { useStore } from "@/kernel/store";
import { backoff, wait } from "@/kernel/stream/backoff";
import { Button, Empty, Mark, Toasts } from "@/kernel/ui";
import { Shell } from "./shell";

const rootRoute = createRootRoute({ component: Shell, notFoundComponent: Missing, errorComponent: Crash });
const newChat = createRoute({ getParentRoute: () => rootRoute, path: "/", component: lazyRouteComponent(() => import("./screens"), "NewChatScreen") });
const chat = createRoute({ getParentRoute: () => rootRoute, path: "/chat/$id", component: lazyRouteComponent(() => import("./screens"), "ChatScreen") });
const documents = createRoute({ getParentRoute: () => rootRoute, path: "/documents", component: lazyRouteComponent(() => import("./screens.documents"), "DocumentsScreen") });
const settings = createRoute({ getParentRoute: () => rootRoute, path: "/settings", component: lazyRouteComponent(() => import("./screens.settings"), "SettingsScreen") });
const router = createRouter({ routeTree: rootRoute.addChildren([newChat, chat, documents, settings]), defaultPreload: "intent" });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Gate />
      <Toasts />
    </QueryClientProvider>
  );
}

/** Who is there? The cookie of an earlier visit answers; until the server does, we wait and say so. */
function Gate() {
  const who = useStore(auth);
  useEffect(() => {
    const stop = new AbortController();
    void recognise(stop.signal);
    return () => stop.abort();
  }, []);
  const account = who.state === "in" ? who.user.id : null;
  const [seen, setSeen] = useState(account);
  if (seen !== account) {
    // Nothing of one account may be seen by the next.
    if (seen !== null) queries.clear();
    setSeen(account);
    if (account !== null && location.pathname === "/register") history.replaceState(null, "", "/");
  }
  if (who.state === "unknown") return <Splash />;
  return who.state === "out" ? <Welcome /> : <House />;
}

async function recognise(signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted && auth.get().state === "unknown"; attempt += 1) {
    try {
      await renewed();
      connection.set("up");
    } catch {
      connection.set("down");
      await wait(backoff(attempt, 3_000), signal);
    }
  }
}

function House() {
  usePreferences();
  return <RouterProvider router={router} />;
}

function Splash() {
  const { t } = useTranslation();
  const down = useStore(connection) === "down";
  return (
    <main className="grid h-full place-items-center">
      {down ? (
        <Empty title={t("offline.title")} body={t("offline.body")} />
      ) : (
        <span className="animate-breathe" role="status" aria-label={t("common.loading")}>
          <Mark size={44} />
        </span>
      )}
    </main>
  );
}

function Missing() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <div className="grid h-full place-items-center">
      <Empty title={t("missing.title")} body={t("missing.body")}>
        <Button kind="primary" onClick={() => void navigate({ to: "/" })}>
          {t("common.home")}
        </Button>
      </Empty>
    </div>
  );
}

function Crash() {
  const { t } = useTranslation();
  return (
    <div className="grid h-full place-items-center">
      <Empty title={t("crash.title")} body={t("crash.body")}>
        <Button kind="primary" onClick={() => location.reload()}>
          {t("crash.reload")}
        </Button>
      </Empty>
    </div>
  );
}
