export { cancelRun } from "./api";
export { ENDED, type Citation, type Receipt, type RunState } from "./events";
export type { Following } from "./follow";
export { onRunEnded, useRun } from "./live";
