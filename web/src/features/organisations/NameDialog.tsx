import { useState } from "react";
import { Field, FormDialog } from "@/kernel/ui";

interface NameDialogProps {
  title: string;
  label: string;
  submit: string;
  initial?: string;
  busy: boolean;
  error: unknown;
  onName: (name: string) => void;
  onClose: () => void;
}

/** Asks for a name. Draw it only while it is open. */
export function NameDialog({ title, label, submit, initial = "", busy, error, onName, onClose }: NameDialogProps) {
  const [name, setName] = useState(initial);
  return (
    <FormDialog
      open
      title={title}
      submit={submit}
      busy={busy}
      error={error}
      onClose={onClose}
      onSubmit={() => {
        if (name.trim() !== "") onName(name.trim());
      }}
    >
      <Field label={label} name="name" required maxLength={200} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
    </FormDialog>
  );
}
