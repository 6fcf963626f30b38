import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { createStore, useStore } from "@/kernel/store";
import { Button, IconButton } from "./Button";
import { cx } from "./classes";

interface Toast {
  id: number;
  text: string;
  danger: boolean;
  undo: (() => void) | undefined;
}

const toasts = createStore<readonly Toast[]>([]);
let last = 0;

/** Says something small that needs no answer; it leaves by itself. What can be undone stays a little longer. */
export function toast(text: string, { danger = false, undo }: { danger?: boolean; undo?: () => void } = {}): void {
  last += 1;
  const id = last;
  toasts.set([...toasts.get().slice(-2), { id, text, danger, undo }]);
  leaveIn(undo ? 12_000 : danger ? 9_000 : 5_000, id);
}

/** Not while somebody reads it: the pointer or the focus is there. */
function leaveIn(time: number, id: number): void {
  const attended = () => document.querySelector("[data-toasts]:is(:hover, :focus-within)") !== null;
  setTimeout(() => (attended() ? leaveIn(2_000, id) : dismiss(id)), time);
}

function dismiss(id: number): void {
  toasts.set(toasts.get().filter((one) => one.id !== id));
}

export function Toasts() {
  const { t } = useTranslation();
  const all = useStore(toasts);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Shown anew, it stands above a dialog that opened meanwhile.
    place.current?.hidePopover();
    if (all.length > 0) place.current?.showPopover();
  }, [all]);
  return (
    <div ref={place} data-toasts popover="manual" role="status" aria-live="polite" className="pointer-events-none fixed inset-x-0 top-auto bottom-6 m-0 w-full border-0 bg-transparent text-ink open:flex flex-col items-center gap-2 px-4">
      {all.map((one) => (
        <div key={one.id} className={cx("pointer-events-auto flex max-w-form animate-rise items-center gap-2 rounded-md border bg-raised py-1 pr-1 pl-4 shadow-pop", one.danger ? "border-danger text-danger" : "border-line")}>
          <span className="py-1">{one.text}</span>
          {one.undo && (
            <Button
              kind="way"
              onClick={() => {
                dismiss(one.id);
                one.undo?.();
              }}
            >
              {t("common.undo")}
            </Button>
          )}
          <IconButton icon="close" size={16} label={t("common.close")} onClick={() => dismiss(one.id)} />
        </div>
      ))}
    </div>
  );
}
