import { cx } from "./classes";

interface MeterProps {
  label: string;
  /** What is used and what is spoken for, as shares of the whole; together they may exceed it. */
  used: number;
  held?: number;
  className?: string;
}

/** How much of a limit is gone: solid what is used, pale what is held, vermilion from nine tenths on. */
export function Meter({ label, used, held = 0, className }: MeterProps) {
  const solid = Math.min(1, Math.max(0, used));
  const pale = Math.min(1 - solid, Math.max(0, held));
  const low = used + held >= 0.9;
  return (
    <svg role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(Math.min(1, used + held) * 100)} viewBox="0 0 100 2" preserveAspectRatio="none" className={cx("h-2 w-full overflow-hidden rounded-full bg-line", low ? "text-danger" : "text-accent", className)}>
      <rect width={solid * 100} height="2" fill="currentColor" />
      <rect x={solid * 100} width={pale * 100} height="2" fill="currentColor" opacity="0.4" />
    </svg>
  );
}
