import type { ReactNode } from "react";
import { Icon } from "./Icon";

/** Why something was refused, beside where it was asked for. */
export function Refusal({ children }: { children: ReactNode }) {
  return (
    <p role="alert" className="flex items-start gap-2 rounded-md bg-danger-wash p-3 text-danger">
      <Icon name="warning" className="mt-0.5 shrink-0" />
      {children}
    </p>
  );
}
