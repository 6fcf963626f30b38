import { type ComponentProps, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { IconButton } from "./Button";
import { cx } from "./classes";
import { Icon } from "./Icon";

const INPUT = "h-11 w-full rounded-md border bg-raised px-3 text-ink transition-colors focus-visible:outline-offset-0";

interface FieldProps extends ComponentProps<"input"> {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
}

export function Field({ label, hint, error, type, ...rest }: FieldProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const secret = type === "password";
  const note = error ?? hint;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium text-ink-2">
        {label}
      </label>
      <div className="relative">
        <input
          id={id}
          {...rest}
          type={secret && shown ? "text" : type}
          aria-invalid={error !== undefined}
          aria-describedby={note === undefined ? undefined : `${id}-note`}
          className={cx(INPUT, secret && "pr-11", error === undefined ? "border-line-strong/60 hover:border-line-strong" : "border-danger")}
        />
        {secret && <Eye shown={shown} onToggle={() => setShown(!shown)} />}
      </div>
      {note !== undefined && (
        <p id={`${id}-note`} className={cx("text-sm", error === undefined ? "text-ink-3" : "text-danger")}>
          {note}
        </p>
      )}
    </div>
  );
}

function Eye({ shown, onToggle }: { shown: boolean; onToggle: () => void }) {
  const { t } = useTranslation();
  return <IconButton icon="eye" label={shown ? t("auth.hide") : t("auth.show")} aria-pressed={shown} onClick={onToggle} className="absolute top-1 right-1" />;
}

interface TickProps {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

/** A choice of yes or no in a form. */
export function Tick({ label, hint, checked, onChange }: TickProps) {
  const id = useId();
  return (
    <div className="flex items-start gap-3">
      <input id={id} type="checkbox" className="mt-1 size-4 shrink-0 accent-accent" checked={checked} aria-describedby={hint === undefined ? undefined : `${id}-note`} onChange={(event) => onChange(event.target.checked)} />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint !== undefined && (
          <p id={`${id}-note`} className="text-sm text-ink-3">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  id?: string;
}

export function SearchField({ label, value, onChange, id }: SearchProps) {
  const { t } = useTranslation();
  return (
    <div className="relative" role="search">
      <Icon name="search" size={16} className="pointer-events-none absolute top-3 left-3 text-ink-3" />
      <input
        id={id}
        type="text"
        inputMode="search"
        enterKeyHint="search"
        autoComplete="off"
        aria-label={label}
        placeholder={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || value === "") return;
          event.preventDefault();
          onChange("");
        }}
        className="h-10 w-full rounded-md border border-transparent bg-sunk pr-10 pl-9 transition-colors hover:border-line focus-visible:outline-offset-0"
      />
      {value !== "" && <IconButton icon="close" size={16} label={t("common.clear")} onClick={() => onChange("")} className="absolute top-0.5 right-0.5" />}
    </div>
  );
}
