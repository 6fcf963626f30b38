import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "@/kernel/copy";
import { sayName } from "@/kernel/i18n";
import { Button, Dialog, Field, FormDialog, Select, toast } from "@/kernel/ui";
import { chosen, partsOf, type Reach, useMakeKey, usePermissions } from "./keys";

const DAYS = ["7", "30", "90", "365", "never"] as const;
const ACCESS = ["all", "read", "choose"] as const;
type Access = (typeof ACCESS)[number];

/** What a key may do: all, only reading, or what was chosen part by part. The supervisor's powers only when chosen. */
function wanted(permissions: readonly string[], access: Access, reach: Readonly<Record<string, Reach>>): string[] {
  const parts = [...partsOf(permissions).keys()].filter((part) => part !== "supervisor");
  if (access === "choose") return chosen(permissions, reach);
  return chosen(permissions, Object.fromEntries(parts.map((part) => [part, access === "all" ? "write" : "read"])));
}

export function NewKeyDialog({ onMade, onClose }: { onMade: (key: string) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const permissions = usePermissions().data ?? [];
  const make = useMakeKey();
  const [name, setName] = useState("");
  const [days, setDays] = useState<(typeof DAYS)[number]>("90");
  const [access, setAccess] = useState<Access>("read");
  const [reach, setReach] = useState<Record<string, Reach>>({});
  const [tried, setTried] = useState(false);
  const granted = wanted(permissions, access, reach);
  const send = () => {
    setTried(true);
    if (name.trim() === "" || granted.length === 0) return;
    make.mutate({ name: name.trim(), permissions: granted, expires_in_days: days === "never" ? null : Number(days) }, { onSuccess: ({ key }) => onMade(key) });
  };
  const names = { all: t("apiKeys.accessAll"), read: t("apiKeys.accessRead"), choose: t("apiKeys.accessChoose") };
  return (
    <FormDialog open title={t("apiKeys.new")} submit={t("apiKeys.make")} busy={make.isPending} error={make.error} onSubmit={send} onClose={onClose}>
      <Field label={t("apiKeys.name")} name="name" maxLength={200} autoComplete="off" hint={t("apiKeys.nameHint")} error={tried && name.trim() === "" ? t("apiKeys.nameNeeded") : undefined} value={name} onChange={(event) => setName(event.target.value)} />
      <Select label={t("apiKeys.access")} name="access" value={access} options={ACCESS.map((one) => [one, names[one]] as const)} onValue={setAccess} />
      {access === "choose" && <Choice permissions={permissions} reach={reach} onReach={setReach} missing={tried && granted.length === 0} />}
      <Select label={t("apiKeys.expires")} name="expires" value={days} options={DAYS.map((one) => [one, one === "never" ? t("apiKeys.never") : t("apiKeys.days", { count: Number(one) })] as const)} onValue={setDays} />
    </FormDialog>
  );
}

interface ChoiceProps {
  permissions: readonly string[];
  reach: Record<string, Reach>;
  onReach: (reach: Record<string, Reach>) => void;
  missing: boolean;
}

function Choice({ permissions, reach, onReach, missing }: ChoiceProps) {
  const { t } = useTranslation();
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="sr-only">{t("apiKeys.permissions")}</legend>
      {[...partsOf(permissions)].map(([part, { reads, writes }]) => {
        const options: (readonly [Reach, string])[] = [["nothing", t("apiKeys.nothing")]];
        if (reads) options.push(["read", t("apiKeys.read")]);
        if (writes) options.push(["write", t("apiKeys.write")]);
        const name = sayName("apiKeys.part", part);
        return (
          <div key={part} className="flex items-center justify-between gap-3">
            <span aria-hidden="true">{name}</span>
            <Select bare label={name} value={reach[part] ?? "nothing"} options={options} onValue={(value) => onReach({ ...reach, [part]: value })} className="w-40" />
          </div>
        );
      })}
      {missing && (
        <p role="alert" className="text-sm text-danger">
          {t("apiKeys.chooseNeeded")}
        </p>
      )}
    </fieldset>
  );
}

/** A key, this once. */
export function NewKeyShown({ secret, onClose }: { secret: string; onClose: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  const copy = async () => {
    if (await copyText(secret)) toast(t("common.copied"));
  };
  return (
    <Dialog open keep onClose={onClose} labelledBy={id} className="max-h-[calc(100dvh-32px)] w-[calc(100%-32px)] max-w-form animate-rise overflow-y-auto rounded-lg border border-line bg-raised shadow-pop">
      <div className="flex flex-col gap-4 p-6">
        <div>
          <h2 id={id} className="text-lg font-semibold">
            {t("apiKeys.onceTitle")}
          </h2>
          <p className="mt-1 text-ink-2">{t("apiKeys.once")}</p>
        </div>
        <p data-key className="rounded-md bg-accent-wash p-4 font-mono break-all">
          {secret}
        </p>
        <Button icon="copy" onClick={() => void copy()}>
          {t("apiKeys.copyKey")}
        </Button>
        <div>
          <p className="text-sm text-ink-3">{t("apiKeys.how")}</p>
          <p className="mt-1 font-mono text-sm break-all text-ink-2">Authorization: Bearer {secret.slice(0, 8)}…</p>
        </div>
        <Button kind="primary" className="min-h-11" onClick={onClose}>
          {t("apiKeys.done")}
        </Button>
      </div>
    </Dialog>
  );
}
