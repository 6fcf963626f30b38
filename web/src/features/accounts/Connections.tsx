import { useState } from "react";
import { useTranslation } from "react-i18next";
import { arrival } from "@/kernel/address";
import { sayError } from "@/kernel/i18n";
import { Button, Confirm, Refusal, Time, toast } from "@/kernel/ui";
import { useSetup } from "./entering";
import { Item, Loaded, Section } from "./parts";
import { type Identity, useConnect, useDisconnect, useIdentities } from "./security";

/** Accounts at providers with which one signs in here; nothing where there are no providers. */
export function Connections() {
  const { t } = useTranslation();
  const providers = useSetup().data?.providers ?? [];
  const query = useIdentities();
  const connect = useConnect();
  const [doomed, setDoomed] = useState<Identity | null>(null);
  const disconnect = useDisconnect();
  if (providers.length === 0 && (query.data?.length ?? 0) === 0) return null;
  return (
    <Section title={t("security.connections")} lead={t("security.connectionsLead")}>
      {arrival.error !== null && <Refusal>{sayError(arrival.error)}</Refusal>}
      <Loaded query={query} rows={1}>
        {(identities) => (
          <>
            <ul className="flex flex-col">
              {identities.map((one) => (
                <Item
                  key={one.id}
                  name={<span className="font-medium">{one.label}</span>}
                  note={
                    <>
                      {one.email} · <Time iso={one.last_used_at} say={(when) => t("security.used", { when })} />
                    </>
                  }
                  action={
                    <Button kind="quiet" onClick={() => setDoomed(one)}>
                      {t("security.disconnect")}
                    </Button>
                  }
                />
              ))}
            </ul>
            <div className="flex flex-wrap gap-2">
              {providers
                .filter(({ name }) => !identities.some((one) => one.provider === name))
                .map(({ name, label }) => (
                  <Button key={name} icon="plus" busy={connect.isPending && connect.variables === name} onClick={() => connect.mutate(name)}>
                    {t("security.connect", { name: label })}
                  </Button>
                ))}
            </div>
          </>
        )}
      </Loaded>
      {doomed && (
        <Confirm
          open
          title={t("security.disconnectTitle", { name: doomed.label })}
          body={t("security.disconnectBody", { email: doomed.email })}
          action={t("security.disconnect")}
          busy={disconnect.isPending}
          onConfirm={() => disconnect.mutate(doomed.id, { onSuccess: () => toast(t("security.disconnected")), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </Section>
  );
}
