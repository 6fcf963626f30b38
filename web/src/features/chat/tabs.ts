import { queries } from "@/kernel/query";

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("madang.chat") : null;

tabs?.addEventListener("message", ({ data }: MessageEvent<string>) => {
  void queries.invalidateQueries({ queryKey: ["messages", data] });
  void queries.invalidateQueries({ queryKey: ["sessions"] });
});

/** Other tabs read the session again, and so join its answer. */
export function tellTabs(sessionId: string): void {
  tabs?.postMessage(sessionId);
}
