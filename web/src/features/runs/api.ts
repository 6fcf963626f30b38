import { api, body } from "@/kernel/api/client";

/** Stops a run; the stream then ends with its receipt. A run that has ended already stays as it is. */
export async function cancelRun(runId: string): Promise<void> {
  await body(api.POST("/api/v1/runs/{run_id}/cancel", { params: { path: { run_id: runId } } }));
}
