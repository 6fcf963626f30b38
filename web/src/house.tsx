import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect, RouterProvider, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { usePreferences } from "@/features/accounts/public";
import { useTitle } from "@/kernel/title";
import { Button, Empty, Reauthentication } from "@/kernel/ui";
import { Shell } from "./shell";

const rootRoute = createRootRoute({ component: Shell, notFoundComponent: Missing, errorComponent: Crash });
const newChat = createRoute({ getParentRoute: () => rootRoute, path: "/", component: lazyRouteComponent(() => import("./screens"), "NewChatScreen") });
const chat = createRoute({ getParentRoute: () => rootRoute, path: "/chat/$id", component: lazyRouteComponent(() => import("./screens"), "ChatScreen") });
const documents = createRoute({ getParentRoute: () => rootRoute, path: "/documents", component: lazyRouteComponent(() => import("./screens.documents"), "DocumentsScreen") });
const settings = createRoute({ getParentRoute: () => rootRoute, path: "/settings/{-$section}", component: lazyRouteComponent(() => import("./screens.settings"), "SettingsScreen") });
const organisations = createRoute({ getParentRoute: () => rootRoute, path: "/organisations", component: lazyRouteComponent(() => import("./screens.organisations"), "OrganisationsScreen") });
const organisation = createRoute({ getParentRoute: () => rootRoute, path: "/organisations/$id/{-$section}", component: lazyRouteComponent(() => import("./screens.organisations"), "OrganisationScreen") });
const supervisor = createRoute({ getParentRoute: () => rootRoute, path: "/supervisor/{-$section}", component: lazyRouteComponent(() => import("./screens.supervisor"), "SupervisorScreen") });
const setup = createRoute({ getParentRoute: () => rootRoute, path: "/setup", beforeLoad: () => redirect({ to: "/", throw: true }) });
const router = createRouter({ routeTree: rootRoute.addChildren([newChat, chat, documents, settings, organisations, organisation, supervisor, setup]), defaultPreload: "intent" });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

/** The house from inside: what those see who are signed in. */
export function House() {
  usePreferences();
  return (
    <>
      <RouterProvider router={router} />
      <Reauthentication />
    </>
  );
}

function Missing() {
  const { t } = useTranslation();
  useTitle(t("missing.title"));
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
