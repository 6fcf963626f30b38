import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Document, useReadyDocuments, useUnreadDocuments } from "@/features/knowledge/public";
import { ModelPicker } from "@/features/providers/public";
import { draftKey } from "@/kernel/drafts";
import { Icon, IconButton, Menu, MenuTick, MenuTitle } from "@/kernel/ui";
import { MESSAGE_LIMIT } from "./api";

interface ComposerProps {
  /** Drafts are kept under this name until they are sent, over reloads too. */
  name: string;
  answering: boolean;
  onSend: (text: string, documentIds: readonly string[]) => void;
  onStop: () => void;
  onUpload: () => void;
}

function useDraft(name: string): [string, (text: string) => void] {
  const key = draftKey(name);
  const [text, setText] = useState(() => sessionStorage.getItem(key) ?? "");
  const keep = (next: string) => {
    setText(next);
    if (next === "") sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, next);
  };
  useEffect(() => {
    const fill = ({ detail }: CustomEvent<{ name: string; text: string }>) => {
      if (detail.name === name) setText(detail.text);
    };
    addEventListener("madang:draft", fill as EventListener);
    return () => removeEventListener("madang:draft", fill as EventListener);
  }, [name]);
  return [text, keep];
}

/** Puts text into the composer of that name, wherever it is on the screen. */
export function fillDraft(name: string, text: string): void {
  sessionStorage.setItem(draftKey(name), text);
  dispatchEvent(new CustomEvent("madang:draft", { detail: { name, text } }));
  document.querySelector<HTMLTextAreaElement>("#composer")?.focus();
}

/** Enter belongs to the input method while it composes a syllable. */
function composing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- Safari ends the composition first and tells only by 229
  return event.nativeEvent.isComposing || event.nativeEvent.keyCode === 229;
}

export function Composer({ name, answering, onSend, onStop, onUpload }: ComposerProps) {
  const { t } = useTranslation();
  const [text, setText] = useDraft(name);
  const [picked, setPicked] = useState<readonly string[]>([]);
  const area = useRef<HTMLTextAreaElement>(null);
  const over = text.trim().length - MESSAGE_LIMIT;
  const sendable = text.trim() !== "" && over <= 0 && !answering;
  useHeight(area, text);

  const send = () => {
    if (!sendable) return;
    onSend(text.trim(), picked);
    setText("");
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape" && answering) onStop();
    if (event.key !== "Enter" || event.shiftKey || composing(event)) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      className="rounded-xl border border-line-strong/50 bg-raised shadow-rest transition-colors focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Chips picked={picked} onPick={setPicked} />
      <textarea
        ref={area}
        id="composer"
        rows={1}
        aria-label={t("chat.composer")}
        aria-describedby="composer-note"
        aria-invalid={over > 0}
        placeholder={t("chat.placeholder")}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
        className="block max-h-60 w-full resize-none bg-transparent px-5 pt-4 pb-1 text-prose outline-none"
      />
      <div className="flex items-center gap-1 px-3 pb-3">
        <DocumentFilter picked={picked} onPick={setPicked} onUpload={onUpload} />
        <ModelPicker />
        <Note over={over} />
        {answering ? (
          <button type="button" onClick={onStop} title={t("chat.stop")} aria-label={t("chat.stop")} className="grid size-9 shrink-0 place-items-center rounded-full bg-ink text-ground transition-opacity hover:opacity-85">
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" disabled={!sendable} title={t("chat.send")} aria-label={t("chat.send")} className="grid size-9 shrink-0 place-items-center rounded-full bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-line disabled:text-ink-3">
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}

function Note({ over }: { over: number }) {
  const { t } = useTranslation();
  const unread = useUnreadDocuments();
  const tooLong = over > 0;
  return (
    <p id="composer-note" role={tooLong ? "alert" : undefined} className="min-w-0 flex-1 truncate text-right text-sm">
      {tooLong ? <span className="text-danger">{t("chat.tooLong", { count: over })}</span> : <span className="sr-only">{t("chat.hint")}</span>}
      {!tooLong && unread > 0 && <span className="text-ink-3">{t("filter.reading", { count: unread })}</span>}
    </p>
  );
}

function useHeight(area: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    if (area.current) fit(area.current);
  }, [area, text]);
}

function fit(element: HTMLTextAreaElement): void {
  element.style.height = "auto";
  element.style.height = `${element.scrollHeight}px`;
}

interface FilterProps {
  picked: readonly string[];
  onPick: (ids: readonly string[]) => void;
}

function Chips({ picked, onPick }: FilterProps) {
  const { t } = useTranslation();
  const documents = useReadyDocuments();
  if (picked.length === 0) return null;
  return (
    <ul aria-label={t("filter.only", { count: picked.length })} className="flex flex-wrap gap-2 px-4 pt-3">
      {picked.map((id) => {
        const title = documents.find((one) => one.id === id)?.title ?? id;
        return (
          <li key={id} className="flex max-w-60 items-center gap-1 rounded-full bg-accent-wash pl-3 text-sm text-accent">
            <span className="truncate">{title}</span>
            <button type="button" aria-label={t("filter.remove", { name: title })} onClick={() => onPick(picked.filter((one) => one !== id))} className="grid size-7 place-items-center rounded-full hover:text-accent-strong">
              <Icon name="close" size={16} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function DocumentFilter({ picked, onPick, onUpload }: FilterProps & { onUpload: () => void }) {
  const { t } = useTranslation();
  const documents = useReadyDocuments();
  if (documents.length === 0) return <IconButton icon="document" label={t("filter.go")} onClick={onUpload} />;
  return (
    <Menu wide align="start" side="top" trigger={<IconButton icon="filter" label={t("filter.label")} />}>
      <MenuTitle>{t("filter.choose")}</MenuTitle>
      {documents.map((one: Document) => (
        <MenuTick key={one.id} checked={picked.includes(one.id)} onChange={(on) => onPick(on ? [...picked, one.id] : picked.filter((id) => id !== one.id))}>
          <span className="line-clamp-2">{one.title}</span>
        </MenuTick>
      ))}
      <p className="mt-1 border-t border-line px-3 py-2 text-sm text-ink-3">{picked.length === 0 ? t("filter.all") : t("filter.only", { count: picked.length })}</p>
    </Menu>
  );
}
