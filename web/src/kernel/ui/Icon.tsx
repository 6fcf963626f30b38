/** One set of line icons: 20-unit grid, 1.5-unit strokes, round ends. */
const PATHS = {
  plus: "M10 4.500v11M4.500 10h11",
  search: "M9 14.500a5.500 5.500 0 1 0 0-11 5.500 5.500 0 0 0 0 11ZM13 13l3.500 3.500",
  document: "M5.500 3.500h6l3.500 3.500v9a.5.5 0 0 1-.5.5h-9a.5.5 0 0 1-.5-.5V4a.5.5 0 0 1 .5-.5ZM11.500 3.500V7H15M7.500 10.500h5M7.500 13.500h3.500",
  settings: "M3.500 6.500h7M14.500 6.500h2M3.500 13.500h2M9.500 13.500h7M12.500 8.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7.500 15.500a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  send: "M10 16V4.500M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  close: "m5 5 10 10M15 5 5 15",
  check: "m4.500 10.500 3.500 3.500 7.500-8",
  copy: "M7.500 7.500V4a.5.5 0 0 1 .5-.5h8a.5.5 0 0 1 .5.5v8a.5.5 0 0 1-.5.5h-3.500M4 7.500h8a.5.5 0 0 1 .5.5v8a.5.5 0 0 1-.5.5H4a.5.5 0 0 1-.5-.5V8a.5.5 0 0 1 .5-.5Z",
  retry: "M15.500 8A6 6 0 1 0 16 11M15.500 4v4h-4",
  trash: "M4 5.500h12M8 5.500v-2h4v2M5.500 5.500l.5 11h8l.5-11M8.500 8.500v5M11.500 8.500v5",
  pencil: "m4 16 .8-3.200 8.700-8.700 2.400 2.400-8.700 8.700L4 16ZM11.500 6.100l2.400 2.400",
  back: "M11.500 4.500 6 10l5.500 5.500",
  forward: "M8.500 4.500 14 10l-5.500 5.500",
  down: "m5 8 5 5 5-5",
  arrowDown: "M10 4v12M5 11l5 5 5-5",
  menu: "M3.500 6h13M3.500 10h13M3.500 14h8",
  panel: "M4 4.500h12a.5.5 0 0 1 .5.5v10a.5.5 0 0 1-.5.5H4a.5.5 0 0 1-.5-.5V5a.5.5 0 0 1 .5-.5ZM8 4.500v11",
  upload: "M10 13V4M6 8l4-4 4 4M3.500 13.500v2.500h13v-2.500",
  signOut: "M12 6V4H4v12h8v-2M8 10h8.500M13.500 7l3 3-3 3",
  warning: "M10 7v4M10 13.500v.01M10 3.500l7 12.500H3L10 3.500Z",
  info: "M10 9.500V14M10 6.500v.01M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z",
  eye: "M2.500 10S5 5 10 5s7.500 5 7.500 5-2.500 5-7.500 5-7.500-5-7.500-5ZM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  external: "M11.500 4H16v4.500M16 4l-7 7M8 5H4v11h11v-4",
  organisation: "M3.500 16.500h13M5 16.500v-13h6v13M11 8h4v8.500M7.500 6.500h1M7.500 9.500h1M7.500 12.500h1M13 11h.01M13 13.500h.01",
  house: "M2.500 8.500C6 8 8.500 6.500 10 4.500c1.500 2 4 3.500 7.500 4M4.500 8.500v8h11v-8M8 16.500v-4h4v4",
  key: "M8 14.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM10.500 8.500l6-6M14 5l2.500 2.500M12.500 6.500l1.500 1.500",
  mail: "M3.500 5h13a.5.5 0 0 1 .5.5v9a.5.5 0 0 1-.5.5h-13a.5.5 0 0 1-.5-.5v-9a.5.5 0 0 1 .5-.5ZM3.500 6l6.500 5 6.500-5",
  download: "M10 3.500V13M6 9l4 4 4-4M3.500 13.500v2.500h13v-2.500",
  print: "M6 7.500v-4h8v4M6 14.500H4a.5.5 0 0 1-.5-.5V8a.5.5 0 0 1 .5-.5h12a.5.5 0 0 1 .5.5v6a.5.5 0 0 1-.5.5h-2M6 12h8v4.500H6z",
  filter: "M3.500 5.500h13M6 10h8M8.500 14.500h3",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20, className }: { name: IconName; size?: 16 | 20 | 24; className?: string }) {
  return (
    <svg className={className} width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth={name === "more" ? 2.2 : 1.5} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** ㅁ, the first letter of 마당 and the plan of a court: four wings, a gate to the south, somebody in the middle. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" className="shrink-0 text-accent">
      <path d="M12.500 26H7.500A1.500 1.500 0 0 1 6 24.500v-17A1.500 1.500 0 0 1 7.500 6h17A1.500 1.500 0 0 1 26 7.500v17a1.500 1.500 0 0 1-1.500 1.500h-5" stroke="currentColor" strokeWidth="2.600" strokeLinecap="round" />
      <circle cx="16" cy="16" r="2.800" fill="currentColor" />
    </svg>
  );
}
