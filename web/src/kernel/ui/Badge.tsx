import type { ReactNode } from "react";
import { cx } from "./classes";

const TONES = {
  calm: "bg-sunk text-ink-2",
  good: "bg-accent-wash text-accent",
  bad: "bg-danger-wash text-danger",
} as const;

/** One word about a thing's state. */
export function Badge({ tone = "calm", children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  return <span className={cx("inline-block rounded-full px-2.5 py-0.5 text-sm font-normal whitespace-nowrap", TONES[tone])}>{children}</span>;
}
