import { isValidElement, memo, type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { IconButton } from "@/kernel/ui";
import { Formula } from "./Formula";
import { lazily } from "./lazily";

const useHighlighter = lazily(() => import("./highlighter"));

function contents(node: ReactNode): { code: string; language: string } {
  if (!isValidElement<{ className?: string; children?: ReactNode }>(node)) return { code: typeof node === "string" ? node : "", language: "" };
  const { className = "", children } = node.props;
  const language = /language-([\w+#-]+)/.exec(className)?.[1] ?? "";
  return { code: typeof children === "string" ? children.replace(/\n$/, "") : "", language };
}

export function CodeBlock({ children }: { children: ReactNode }) {
  const { code, language } = contents(children);
  if (language === "math") return <Formula tex={code} display />;
  return <Code code={code} language={language} />;
}

const Code = memo(function Code({ code, language }: { code: string; language: string }) {
  const { t } = useTranslation();
  const highlight = useHighlighter(language !== "");
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <figure className="overflow-hidden rounded-md border border-line bg-sunk">
      <figcaption className="flex h-9 items-center justify-between pr-1 pl-4 text-xs text-ink-3">
        <span className="font-mono">{language}</span>
        <IconButton icon={copied ? "check" : "copy"} size={16} label={copied ? t("common.copied") : t("chat.copyCode")} className="size-8" onClick={() => void copyText(code).then(setCopied)} />
      </figcaption>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
      <pre tabIndex={0} className="overflow-x-auto px-4 pb-4 font-mono text-sm leading-6 focus-visible:-outline-offset-2">
        <code className="break-normal whitespace-pre">{highlight ? highlight(code, language) : code}</code>
      </pre>
    </figure>
  );
});
