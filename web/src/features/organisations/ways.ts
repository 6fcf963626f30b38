import type { ReactNode } from "react";

export const SECTIONS = ["overview", "members", "invites", "places", "budgets", "usage", "directory", "audit"] as const;
export type Section = (typeof SECTIONS)[number];

/** How one gets from place to place, made by whoever knows the addresses. */
export interface Ways {
  link: (id: string, section: Section, className: string, isCurrent: boolean, content: ReactNode) => ReactNode;
  open: (id: string, section: Section) => void;
  /** Back to all of one's organisations. */
  leave: () => void;
}
