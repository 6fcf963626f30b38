import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Confirm, Field, FormDialog, IconButton, Menu, MenuItem, Time, toast } from "@/kernel/ui";
import { deviceName } from "./deviceName";
import { Item, Loaded, Section, Sure } from "./parts";
import { type Passkey, useAddPasskey, useRemovePasskey, useRenamePasskey, useSecondFactors } from "./security";
import { hasPasskeys } from "./webauthn";

/** Devices that sign one in without a password. */
export function Passkeys() {
  const { t } = useTranslation();
  const query = useSecondFactors();
  const [adding, setAdding] = useState(false);
  return (
    <Section title={t("security.passkeys")} lead={t("security.passkeysLead")}>
      <Loaded query={query}>
        {({ passkeys }) =>
          passkeys.length === 0 ? (
            <p className="text-ink-3">{t("security.none")}</p>
          ) : (
            <ul className="flex flex-col">
              {passkeys.map((one) => (
                <One key={one.id} passkey={one} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {hasPasskeys ? (
        <Button icon="plus" className="self-start" onClick={() => setAdding(true)}>
          {t("security.passkeyAdd")}
        </Button>
      ) : (
        <p className="text-sm text-ink-3">{t("security.passkeysNot")}</p>
      )}
      {adding && <Add onClose={() => setAdding(false)} />}
    </Section>
  );
}

function One({ passkey }: { passkey: Passkey }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState<"rename" | "remove" | null>(null);
  const rename = useRenamePasskey(passkey.id);
  const remove = useRemovePasskey();
  const [name, setName] = useState(passkey.name);
  const close = () => setAsking(null);
  return (
    <Item
      name={<span className="font-medium">{passkey.name}</span>}
      note={<Time iso={passkey.last_used_at ?? passkey.created_at} say={(when) => (passkey.last_used_at === null ? `${t("security.added", { when })} · ${t("security.unused")}` : t("security.used", { when }))} />}
      action={
        <>
          <Menu trigger={<IconButton icon="more" size={16} label={t("common.options", { name: passkey.name })} />}>
            <MenuItem icon="pencil" onSelect={() => setAsking("rename")}>
              {t("common.rename")}
            </MenuItem>
            <MenuItem icon="trash" danger onSelect={() => setAsking("remove")}>
              {t("security.remove")}
            </MenuItem>
          </Menu>
          {asking === "rename" && (
            <FormDialog open title={t("security.passkeyRename")} submit={t("common.save")} busy={rename.isPending} error={rename.error} onSubmit={() => name.trim() !== "" && rename.mutate(name.trim(), { onSuccess: close })} onClose={close}>
              <Field label={t("security.passkeyName")} name="name" maxLength={200} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
            </FormDialog>
          )}
          {asking === "remove" && (
            <Confirm
              open
              title={t("security.passkeyRemoveTitle", { name: passkey.name })}
              body={t("security.passkeyRemoveBody")}
              action={t("security.remove")}
              busy={remove.isPending}
              onConfirm={() => remove.mutate(passkey.id, { onSuccess: () => toast(t("security.removed")), onSettled: close })}
              onClose={close}
            />
          )}
        </>
      }
    />
  );
}

function Add({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const add = useAddPasskey();
  const [name, setName] = useState(() => deviceName(navigator.userAgent) ?? "");
  const [password, setPassword] = useState("");
  const send = () => {
    if (name.trim() === "") return;
    add.mutate(
      { name: name.trim(), password },
      {
        onSuccess: (made) => {
          toast(made === null ? t("security.passkeyCancelled") : t("security.passkeyAdded", { name: made.name }));
          if (made !== null) onClose();
        },
      },
    );
  };
  return (
    <Sure title={t("security.passkeyAdd")} lead={t("security.passkeyAddLead")} submit={t("security.next")} busy={add.isPending} error={add.error} password={password} onPassword={setPassword} onSubmit={send} onClose={onClose}>
      <Field label={t("security.passkeyName")} name="name" maxLength={200} autoComplete="off" value={name} onChange={(event) => setName(event.target.value)} />
    </Sure>
  );
}
