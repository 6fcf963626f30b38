import { createContext, type ReactNode, type RefObject, type SyntheticEvent, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./Button";
import { cx } from "./classes";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  /** Stays at Escape and at a press beside it: what it shows is shown only once. */
  keep?: boolean;
  label?: string;
  labelledBy?: string;
  className?: string;
  children: ReactNode;
}

/** The dialog around, if any: what opens over it must be drawn inside of it, because all outside is inert. */
export const DialogContext = createContext<HTMLElement | null>(null);

/** The browser's own modal dialog: focus stays inside and comes back, Escape closes, what is behind is inert. */
export function Dialog({ open, onClose, keep = false, label, labelledBy, className, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const [element, setElement] = useState<HTMLElement | null>(null);
  useEffect(() => {
    const dialog = ref.current;
    setElement(dialog);
    if (open && dialog && !dialog.open) dialog.showModal();
    if (!open && dialog?.open) dialog.close();
  }, [open]);
  useLayoutEffect(() => {
    const dialog = ref.current;
    // Leaving the page without being closed, it would take the focus with it.
    return () => dialog?.close();
  }, []);
  useOutside(ref, keep ? null : onClose);
  // Escape goes through the state like every other way out: the browser's own closing tells of itself later, and could
  // then close what was opened again meanwhile.
  const cancel = (event: SyntheticEvent<HTMLDialogElement>) => {
    if (event.target !== event.currentTarget) return;
    event.preventDefault();
    if (!keep) onClose();
  };
  const closed = (event: SyntheticEvent<HTMLDialogElement>) => {
    if (open && !event.currentTarget.open) onClose();
  };
  return (
    <dialog ref={ref} onClose={closed} onCancel={cancel} aria-label={label} aria-labelledby={labelledBy} className={cx("text-ink", className)}>
      {open && <DialogContext value={element}>{children}</DialogContext>}
    </dialog>
  );
}

/** A click that begins and ends on the backdrop closes; keyboards have Escape for it. */
function useOutside(ref: RefObject<HTMLDialogElement | null>, onClose: (() => void) | null): void {
  const beside = useRef(false);
  useEffect(() => {
    const dialog = ref.current;
    const press = (event: PointerEvent) => {
      beside.current = event.target === dialog;
    };
    const click = (event: MouseEvent) => {
      if (beside.current && event.target === dialog) onClose?.();
    };
    dialog?.addEventListener("pointerdown", press);
    dialog?.addEventListener("click", click);
    return () => {
      dialog?.removeEventListener("pointerdown", press);
      dialog?.removeEventListener("click", click);
    };
  }, [ref, onClose]);
}

interface ConfirmProps {
  open: boolean;
  title: string;
  body: string;
  action: string;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks once, naming the thing, before something is gone for good. */
export function Confirm({ open, title, body, action, busy = false, onConfirm, onClose }: ConfirmProps) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <Dialog open={open} onClose={onClose} labelledBy={id} className="w-[calc(100%-32px)] max-w-form animate-rise rounded-lg border border-line bg-raised shadow-pop">
      <div className="flex flex-col gap-3 p-6">
        <h2 id={id} className="text-lg font-semibold">
          {title}
        </h2>
        <p className="text-ink-2">{body}</p>
        <div className="mt-3 flex justify-end gap-2">
          <Button kind="quiet" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button kind="danger" busy={busy} onClick={onConfirm}>
            {action}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
