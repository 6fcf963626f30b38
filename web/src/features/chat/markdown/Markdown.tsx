import { createContext, memo, use, useMemo, useState, type ComponentProps, type ReactNode } from "react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import remarkGfm from "remark-gfm";
import remarkMath from "remark-math";
import { useTranslation } from "react-i18next";
import type { Citation } from "@/features/runs/public";
import { cx } from "@/kernel/ui";
import { type Blocks, divide, NO_BLOCKS } from "./blocks";
import { CITE, remarkCitations } from "./citations";
import { CodeBlock } from "./CodeBlock";
import { Formula } from "./Formula";
import { prepareMaths } from "./maths";

interface Sources {
  citations: readonly Citation[];
  onOpen: (citation: Citation) => void;
}

const SourcesContext = createContext<Sources>({ citations: [], onOpen: () => undefined });
const REMARK: NonNullable<Options["remarkPlugins"]> = [remarkGfm, remarkMath, remarkCitations];

interface MarkdownProps extends Sources {
  text: string;
  streaming: boolean;
}

/** An answer. While it grows only its last block is parsed and drawn again. */
export const Markdown = memo(function Markdown({ text, streaming, citations, onOpen }: MarkdownProps) {
  const prepared = prepareMaths(text);
  const blocks = useBlocks(prepared);
  const sources = useMemo(() => ({ citations, onOpen }), [citations, onOpen]);
  const all = [...blocks.settled, blocks.tail];
  return (
    <SourcesContext value={sources}>
      <div className="prose">
        {all.map((block, index) => (
          <Block key={index} text={block} growing={streaming && index === all.length - 1} />
        ))}
      </div>
    </SourcesContext>
  );
});

function useBlocks(text: string): Blocks {
  const [kept, setKept] = useState(() => ({ text, blocks: divide(NO_BLOCKS, text) }));
  if (kept.text === text) return kept.blocks;
  const next = { text, blocks: divide(kept.blocks, text) };
  setKept(next);
  return next.blocks;
}

const Block = memo(function Block({ text, growing }: { text: string; growing: boolean }) {
  return (
    <div className={cx("prose-block", growing && "min-h-7")}>
      <ReactMarkdown remarkPlugins={REMARK} components={COMPONENTS}>
        {text}
      </ReactMarkdown>
    </div>
  );
});

function Anchor({ href = "", children }: ComponentProps<"a">) {
  if (href.startsWith(CITE)) return <Cite number={Number(href.slice(CITE.length))}>{children}</Cite>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function Cite({ number, children }: { number: number; children: ReactNode }) {
  const { t } = useTranslation();
  const { citations, onOpen } = use(SourcesContext);
  const citation = citations.find((one) => one.number === number);
  if (!citation) return children;
  return (
    <button
      type="button"
      title={citation.title}
      aria-label={t("sources.open", { number, title: citation.title })}
      onClick={() => onOpen(citation)}
      className="mx-0.5 inline-grid h-5 min-w-5 place-items-center rounded-sm bg-accent-wash px-1 align-[1px] text-xs font-semibold text-accent transition-colors hover:bg-accent hover:text-on-accent"
    >
      {number}
    </button>
  );
}

/** Pictures from elsewhere would tell their host who reads what; they become links. */
function Picture({ src, alt }: ComponentProps<"img">) {
  return <Anchor href={typeof src === "string" ? src : ""}>{alt ?? src}</Anchor>;
}

/** A table that is too wide is scrolled, by keyboard too. */
function Table({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
    <div role="region" aria-label={t("chat.table")} tabIndex={0} className="table-scroll">
      <table>{children}</table>
    </div>
  );
}

/** Whether a cell is a number, a time or a word or two, which break nowhere. */
function isShort(children: ReactNode): boolean {
  return typeof children === "string" && children.length <= 16;
}

const COMPONENTS: Components = {
  a: ({ href, children }) => <Anchor href={href ?? ""}>{children}</Anchor>,
  img: ({ src, alt }) => <Picture src={src} alt={alt} />,
  code: ({ className, children }) => (className?.includes("math-inline") === true && typeof children === "string" ? <Formula tex={children} display={false} /> : <code className={className}>{children}</code>),
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  table: ({ children }) => <Table>{children}</Table>,
  td: ({ children, style }) => (
    <td style={style} className={isShort(children) ? "whitespace-nowrap" : ""}>
      {children}
    </td>
  ),
};
