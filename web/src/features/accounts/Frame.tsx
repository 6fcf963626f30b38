import { type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { chooseLanguage } from "@/kernel/i18n";
import { useTitle } from "@/kernel/title";
import { Button, Mark } from "@/kernel/ui";

/** The house's front: what is drawn for those who are not inside of it. */
export function Frame({ children }: { children: ReactNode }) {
  const { t, i18n } = useTranslation();
  const other = i18n.language === "ko" ? "en" : "ko";
  return (
    <div className="flex min-h-full flex-col px-5">
      <header className="mx-auto flex w-full max-w-page items-center justify-between py-5">
        <a href="/" className="flex items-center gap-3 rounded-sm text-lg font-semibold">
          <Mark />
          {t("brand")}
        </a>
        <Button kind="quiet" lang={other} onClick={() => void chooseLanguage(other)}>
          {other === "ko" ? "한국어" : "English"}
        </Button>
      </header>
      <main className="mx-auto flex w-full max-w-form flex-1 animate-rise flex-col justify-center gap-6 pt-4 pb-24">{children}</main>
    </div>
  );
}

let isFirst = true;

/** What this step is about. It takes the focus of whatever led here and is gone, so that it is read out. */
export function Heading({ title, lead }: { title: string; lead?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle(title);
  useEffect(() => {
    if (!isFirst && document.activeElement === document.body) heading.current?.focus();
    isFirst = false;
  }, []);
  return (
    <div className="flex flex-col gap-2">
      <h1 ref={heading} tabIndex={-1} className="text-2xl font-semibold outline-none">
        {title}
      </h1>
      {lead !== undefined && <p className="text-ink-2">{lead}</p>}
    </div>
  );
}

/** A question and the way that answers it. */
export function Swap({ question, action, onSwap }: { question?: string; action: string; onSwap: () => void }) {
  return (
    <p className="flex flex-wrap items-center justify-center gap-1 text-ink-2">
      {question}
      <Button kind="way" className="px-2" onClick={onSwap}>
        {action}
      </Button>
    </p>
  );
}
