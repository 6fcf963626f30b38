import type { ComponentProps } from "react";
import { cx } from "./classes";
import { Icon, type IconName } from "./Icon";

const KINDS = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong disabled:opacity-50",
  plain: "border border-line bg-raised text-ink hover:border-line-strong disabled:opacity-50",
  quiet: "text-ink-2 hover:bg-sunk hover:text-ink disabled:opacity-50",
  /** Leads elsewhere, as a link does. */
  way: "text-accent hover:bg-sunk disabled:opacity-50",
  /** Leads to something dangerous, and does not do it yet. */
  grave: "border border-line bg-raised text-danger hover:border-danger disabled:opacity-50",
  danger: "bg-danger text-on-danger hover:opacity-90 disabled:opacity-50",
} as const;

export type ButtonKind = keyof typeof KINDS;

interface ButtonProps extends ComponentProps<"button"> {
  kind?: ButtonKind;
  icon?: IconName;
  busy?: boolean;
}

export function Button({ kind = "plain", icon, busy = false, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      className={cx("inline-flex min-h-10 items-center justify-center gap-2 rounded-md px-4 py-2 font-medium wrap-break-word transition-colors", KINDS[kind], className)}
    >
      {busy ? <Spinner /> : icon ? <Icon name={icon} size={16} /> : null}
      {children}
    </button>
  );
}

interface IconButtonProps extends ComponentProps<"button"> {
  icon: IconName;
  label: string;
  size?: 16 | 20;
}

/** A button that is only an icon; `label` names it for everybody who does not see it, and on hover. */
export function IconButton({ icon, label, size = 20, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      {...rest}
      className={cx("inline-grid size-9 shrink-0 place-items-center rounded-md text-ink-2 transition-colors hover:bg-sunk hover:text-ink disabled:opacity-40", className)}
    >
      <Icon name={icon} size={size} />
    </button>
  );
}

export function Spinner() {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" className="animate-spin" aria-hidden="true">
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="2" opacity="0.25" />
      <path d="M8 2a6 6 0 0 1 6 6" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
