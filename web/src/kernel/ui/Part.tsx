import type { ReactNode } from "react";

/** A part of a screen: what it is, what it is for, what one can do there, and then it. */
export function Part({ title, lead, action, children }: { title: string; lead?: string; action?: ReactNode; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-4">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0 flex-1 basis-60">
          <h2 className="text-lg font-semibold">{title}</h2>
          {lead !== undefined && <p className="mt-0.5 text-ink-2">{lead}</p>}
        </div>
        {action}
      </div>
      {children}
    </section>
  );
}

/** Quiet words about why something is as it is. */
export function Note({ children, tone = "calm" }: { children: ReactNode; tone?: "calm" | "bad" }) {
  return <p className={tone === "bad" ? "rounded-md bg-danger-wash px-4 py-3 text-danger" : "rounded-md bg-sunk px-4 py-3 text-ink-2"}>{children}</p>;
}
