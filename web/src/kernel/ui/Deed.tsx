import type { ReactNode } from "react";
import { cx } from "./classes";

/** Something one can do, in a list: what it is, what it means and, as children, the button. `narrow` beside other things. */
export function Deed({ title, lead, narrow = false, children }: { title: string; lead: string; narrow?: boolean; children: ReactNode }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 border-t border-line py-4">
      <div className={cx("min-w-0 flex-1", narrow ? "basis-40" : "basis-60")}>
        <p className="font-medium">{title}</p>
        <p className="text-sm text-ink-3">{lead}</p>
      </div>
      {children}
    </li>
  );
}
