import { QueryClientProvider } from "@tanstack/react-query";
import { type ComponentType, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { address } from "@/kernel/address";
import { auth, leaving, renewed, wasIn } from "@/kernel/auth";
import { connection } from "@/kernel/connection";
import { queries } from "@/kernel/query";
import { useStore } from "@/kernel/store";
import { backoff, wait } from "@/kernel/stream/backoff";
import { Empty, Mark, Toasts } from "@/kernel/ui";

interface Half {
  fetch: () => Promise<ComponentType>;
  /** The screens once they are here. */
  Screens: ComponentType | null;
}

const entrance: Half = { fetch: () => import("./screens.entrance").then((it) => (entrance.Screens = it.EntranceScreen)), Screens: null };
const house: Half = { fetch: () => import("./house").then((it) => (house.Screens = it.House)), Screens: null };

/** Pages that are outside of the house for everybody: where mails and invitations lead. */
const OUTSIDE = /^\/(reset-password|verify-email|join\/[^/]+)$/;
/** Pages that are of no use to whoever is signed in. */
const ENTRY = /^\/(register|forgot-password)$/;

// While the server is asked who is there, what they will most likely see is fetched already.
void (wasIn() && !OUTSIDE.test(location.pathname) ? house : entrance).fetch().catch(() => undefined);

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Leaving />
      <Gate />
      <Toasts />
    </QueryClientProvider>
  );
}

/** Says that a sign-out is not through yet, to whoever is about to walk away from the screen. */
function Leaving() {
  const { t } = useTranslation();
  if (!useStore(leaving)) return null;
  return (
    <p role="status" className="fixed inset-x-0 top-0 z-50 bg-danger-wash px-4 py-2 text-center text-sm text-danger">
      {t("leaving")}
    </p>
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
    if (account !== null && ENTRY.test(location.pathname)) history.replaceState(null, "", "/");
  }
  const path = useStore(address);
  // The router goes its own ways inside; whoever comes out stands where it left them.
  useEffect(() => {
    if (who.state === "out") address.set(location.pathname);
  }, [who.state]);
  if (who.state === "unknown") return <Splash />;
  return who.state === "out" || OUTSIDE.test(path) ? <Opened key="entrance" half={entrance} /> : <Opened key="house" half={house} />;
}

/** Draws a half of the app once it is here. By hand: what follows a fallback of Suspense is held back for 300 ms. */
function Opened({ half }: { half: Half }) {
  const [, setHere] = useState(half.Screens !== null);
  useEffect(() => {
    const stop = new AbortController();
    void arrived(half, stop.signal).then(() => setHere(true));
    return () => stop.abort();
  }, [half]);
  return half.Screens === null ? <Splash /> : <half.Screens />;
}

async function arrived(half: Half, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted && half.Screens === null; attempt += 1) {
    try {
      await half.fetch();
      connection.set("up");
    } catch {
      connection.set("down");
      await wait(backoff(attempt, 3_000), signal);
    }
  }
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
