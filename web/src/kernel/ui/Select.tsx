import { type ComponentProps, useId } from "react";
import { cx } from "./classes";
import { Icon } from "./Icon";

interface SelectProps<V extends string> extends Omit<ComponentProps<"select">, "value" | "onChange"> {
  label: string;
  value: V;
  options: readonly (readonly [V, string])[];
  onValue: (value: V) => void;
  hint?: string | undefined;
  /** In a row of filters the label is for those who do not see; in a form it stands above. */
  bare?: boolean;
}

/** The browser's own choice of one: every device knows how to show it. */
export function Select<V extends string>({ label, value, options, onValue, hint, bare = false, className, ...rest }: SelectProps<V>) {
  const id = useId();
  return (
    <div className={cx("flex flex-col gap-1", className)}>
      <label htmlFor={id} className={bare ? "sr-only" : "text-sm font-medium text-ink-2"}>
        {label}
      </label>
      <div className="relative">
        <select
          id={id}
          {...rest}
          value={value}
          aria-describedby={hint === undefined ? undefined : `${id}-note`}
          onChange={(event) => onValue(event.target.value as V)}
          className={cx(
            "w-full cursor-pointer appearance-none rounded-md border bg-raised pr-9 pl-3 text-ink transition-colors focus-visible:outline-offset-0",
            bare ? "h-10 border-line hover:border-line-strong" : "h-11 border-line-strong/60 hover:border-line-strong",
          )}
        >
          {options.map(([option, words]) => (
            <option key={option} value={option}>
              {words}
            </option>
          ))}
        </select>
        <Icon name="down" size={16} className={cx("pointer-events-none absolute right-3 text-ink-3", bare ? "top-3" : "top-3.5")} />
      </div>
      {hint !== undefined && (
        <p id={`${id}-note`} className="text-sm text-ink-3">
          {hint}
        </p>
      )}
    </div>
  );
}
