import { useEffect } from "react";
import { createStore, type Store, useStore } from "@/kernel/store";
import { START } from "./events";
import { follow, type Following } from "./follow";

interface Live {
  store: Store<Following>;
  watchers: number;
  abort: AbortController;
}

const WAITING: Following = { state: START, link: "live" };
const nothing = createStore<Following>(WAITING);
const lives = new Map<string, Live>();
/** Ends of runs in this tab; the chat fetches the stored message then. */
const endings = new Set<(runId: string) => void>();

export function onRunEnded(listener: (runId: string) => void): () => void {
  endings.add(listener);
  return () => endings.delete(listener);
}

function ended(link: Following["link"]): boolean {
  return link === "ended" || link === "lost";
}

async function pump(runId: string, live: Live): Promise<void> {
  let newest: Following = WAITING;
  let scheduled = false;
  const paint = () => {
    scheduled = false;
    live.store.set(newest);
  };
  for await (const following of follow(runId, live.abort.signal)) {
    newest = following;
    if (ended(following.link)) paint();
    else if (!scheduled) {
      scheduled = true;
      // One painting a frame however fast tokens come; a hidden tab has no frames.
      if (document.visibilityState === "visible") requestAnimationFrame(paint);
      else setTimeout(paint, 250);
    }
  }
  if (ended(newest.link)) {
    for (const listener of endings) listener(runId);
  }
}

function enter(runId: string): Live {
  let live = lives.get(runId);
  if (!live) {
    live = { store: createStore<Following>(WAITING), watchers: 0, abort: new AbortController() };
    lives.set(runId, live);
    void pump(runId, live);
  }
  live.watchers += 1;
  return live;
}

function leave(runId: string, live: Live): void {
  live.watchers -= 1;
  // A moment's grace: a screen that is only being swapped must not read the log from its start again.
  setTimeout(() => {
    if (live.watchers > 0) return;
    live.abort.abort();
    if (lives.get(runId) === live) lives.delete(runId);
  }, 5_000);
}

/** The run as it is now, followed while a component that asks is on the screen; null follows nothing. */
export function useRun(runId: string | null): Following {
  const store = runId === null ? nothing : (lives.get(runId)?.store ?? nothing);
  const following = useStore(store);
  useEnter(runId);
  return following;
}

const entered = createStore(0);

function useEnter(runId: string | null): void {
  useStore(entered);
  useEffect(() => {
    if (runId === null) return undefined;
    const live = enter(runId);
    entered.set(entered.get() + 1);
    return () => leave(runId, live);
  }, [runId]);
}
