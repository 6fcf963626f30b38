import { type ReactNode, useEffect, useRef } from "react";
import { cx } from "./classes";

interface SectionsProps<K extends string> {
  label: string;
  current: K;
  sections: readonly (readonly [K, string])[];
  /** A link to a section, made by whoever knows the addresses. */
  link: (section: K, className: string, current: boolean, name: string) => ReactNode;
}

/** The sections of a screen, each with an address of its own, side by side. */
export function Sections<K extends string>({ label, current, sections, link }: SectionsProps<K>) {
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a narrow screen the current one may lie outside of what is seen.
    bar.current?.querySelector("[data-here]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [current]);
  return (
    <nav ref={bar} aria-label={label} className="-mx-5 overflow-x-auto border-b border-line px-5 md:mx-0 md:px-0">
      <ul className="flex w-max gap-6">
        {sections.map(([section, name]) => {
          const here = section === current;
          return <li key={section} data-here={here || undefined}>{link(section, cx("-mb-px flex h-11 items-center border-b-2 transition-colors", here ? "border-accent font-medium text-ink" : "border-transparent text-ink-2 hover:text-ink"), here, name)}</li>;
        })}
      </ul>
    </nav>
  );
}
