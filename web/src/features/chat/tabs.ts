import { queries } from "@/kernel/query";

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("madang.chat") : null;

tabs?.addEventListener("message", ({ data }: MessageEvent<string>) => tellHere(data));

/** Reads a session again, and so joins an answer that somebody else began. */
export function tellHere(sessionId: string): void {
  void queries.invalidateQueries({ queryKey: ["messages", sessionId] });
  void queries.invalidateQueries({ queryKey: ["sessions"] });
}

/** Other tabs read the session again, and so join its answer. */
export function tellTabs(sessionId: string): void {
  tabs?.postMessage(sessionId);
}
