import { useState } from "react";
import { useTranslation } from "react-i18next";
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
  const { t } = useTranslation();
  const [name, setName] = useState(initial);
  const [tried, setTried] = useState(false);
  return (
    <FormDialog
      open
      title={title}
      submit={submit}
      busy={busy}
      error={error}
      onClose={onClose}
      onSubmit={() => {
        setTried(true);
        if (name.trim() !== "") onName(name.trim());
      }}
    >
      <Field label={label} name="name" required maxLength={200} autoComplete="off" error={tried && name.trim() === "" ? t("places.nameNeeded") : undefined} value={name} onChange={(event) => setName(event.target.value)} />
    </FormDialog>
  );
}
