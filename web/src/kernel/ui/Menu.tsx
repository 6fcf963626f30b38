import { DropdownMenu } from "radix-ui";
import { type ReactNode, use } from "react";
import { cx } from "./classes";
import { DialogContext } from "./Dialog";
import { Icon, type IconName } from "./Icon";

const ITEM = "flex cursor-pointer items-center gap-3 rounded-sm px-3 py-2 outline-none select-none data-[highlighted]:bg-sunk";

/** A menu under its trigger. Not modal: a modal one would inject styles, which our Content-Security-Policy refuses. */
export function Menu({ trigger, align = "end", side = "bottom", wide = false, children }: { trigger: ReactNode; align?: "start" | "end"; side?: "top" | "bottom"; wide?: boolean; children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal container={use(DialogContext)}>
        <DropdownMenu.Content
          align={align}
          side={side}
          sideOffset={6}
          collisionPadding={12}
          className={cx("z-50 max-h-(--radix-dropdown-menu-content-available-height) animate-rise overflow-y-auto rounded-md border border-line bg-raised p-1 text-ink shadow-pop", wide ? "w-80 max-w-[calc(100vw-24px)]" : "min-w-44")}
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function MenuItem({ icon, danger = false, onSelect, children }: { icon: IconName; danger?: boolean; onSelect: () => void; children: ReactNode }) {
  return (
    <DropdownMenu.Item onSelect={onSelect} className={cx(ITEM, danger && "text-danger")}>
      <Icon name={icon} size={16} />
      {children}
    </DropdownMenu.Item>
  );
}

export function MenuChoice({ value, disabled = false, children }: { value: string; disabled?: boolean; children: ReactNode }) {
  return (
    <DropdownMenu.RadioItem value={value} disabled={disabled} className={cx(ITEM, "items-start data-[disabled]:cursor-default")}>
      <span className="mt-1 size-4 shrink-0 text-accent">
        <DropdownMenu.ItemIndicator>
          <Icon name="check" size={16} />
        </DropdownMenu.ItemIndicator>
      </span>
      <span className="min-w-0 flex-1">{children}</span>
    </DropdownMenu.RadioItem>
  );
}

export function MenuChoices({ value, onChange, children }: { value: string; onChange: (value: string) => void; children: ReactNode }) {
  return (
    <DropdownMenu.RadioGroup value={value} onValueChange={onChange}>
      {children}
    </DropdownMenu.RadioGroup>
  );
}

/** An item that can be ticked; the menu stays open for the next one. */
export function MenuTick({ checked, onChange, children }: { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode }) {
  return (
    <DropdownMenu.CheckboxItem checked={checked} onCheckedChange={onChange} onSelect={(event) => event.preventDefault()} className={cx(ITEM, "items-start")}>
      <span className="mt-1 grid size-4 shrink-0 place-items-center rounded-[4px] border border-line-strong text-accent">
        <DropdownMenu.ItemIndicator>
          <Icon name="check" size={16} />
        </DropdownMenu.ItemIndicator>
      </span>
      <span className="min-w-0 flex-1">{children}</span>
    </DropdownMenu.CheckboxItem>
  );
}

export function MenuTitle({ children }: { children: ReactNode }) {
  return <DropdownMenu.Label className="px-3 pt-2 pb-1 text-sm text-ink-3">{children}</DropdownMenu.Label>;
}
