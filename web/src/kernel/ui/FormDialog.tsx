import { type ReactNode, type SyntheticEvent, useEffect, useId, useRef } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Refusal } from "./Refusal";

const WRONG = "[aria-invalid=true]";

interface FormDialogProps {
  open: boolean;
  title: string;
  lead?: string;
  submit: string;
  /** Sending it destroys something. */
  danger?: boolean;
  busy: boolean;
  /** What the server refused with, if it did. */
  error: unknown;
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** A short form over the screen: Enter sends, Escape leaves, a refusal stands above the buttons. */
export function FormDialog({ open, title, lead, submit, danger = false, busy, error, onSubmit, onClose, children }: FormDialogProps) {
  const { t } = useTranslation();
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const wasBusy = useRef(false);
  // The button that was pressed lost the focus while it was busy; when it was in vain, one is led to what is wrong.
  useEffect(() => {
    if (wasBusy.current && !busy) focusOnWhatIsWrong(form.current);
    wasBusy.current = busy;
  }, [busy]);
  const send = (event: SyntheticEvent) => {
    event.preventDefault();
    onSubmit();
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>(WRONG)?.focus());
  };
  return (
    <Dialog open={open} onClose={onClose} labelledBy={id} className="max-h-[calc(100dvh-32px)] w-[calc(100%-32px)] max-w-form animate-rise overflow-y-auto rounded-lg border border-line bg-raised shadow-pop">
      <form ref={form} noValidate onSubmit={send} className="flex flex-col gap-4 p-6">
        <div>
          <h2 id={id} className="text-lg font-semibold">
            {title}
          </h2>
          {lead !== undefined && <p className="mt-1 text-ink-2">{lead}</p>}
        </div>
        {children}
        {error !== null && error !== undefined && <Refusal>{sayError(codeOf(error))}</Refusal>}
        <div className="mt-2 flex justify-end gap-2">
          <Button kind="quiet" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" kind={danger ? "danger" : "primary"} busy={busy}>
            {submit}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function focusOnWhatIsWrong(form: HTMLFormElement | null): void {
  const field = form?.querySelector<HTMLElement>(WRONG) ?? form?.querySelector<HTMLElement>("input:not([hidden]), select, textarea");
  field?.focus();
}
