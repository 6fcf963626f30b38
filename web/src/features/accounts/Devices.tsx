import { useState } from "react";
import { useTranslation } from "react-i18next";
import { signOut } from "@/kernel/auth";
import { Badge, Button, Confirm, Time, toast } from "@/kernel/ui";
import { deviceName } from "./deviceName";
import { Item, Loaded, Section } from "./parts";
import { type Device, useDevices, useEndDevice } from "./security";

/** Where one is signed in. */
export function Devices() {
  const { t } = useTranslation();
  const query = useDevices();
  const [asking, setAsking] = useState(false);
  const end = useEndDevice();
  return (
    <Section title={t("security.devices")} lead={t("security.devicesLead")}>
      <Loaded query={query}>
        {(devices) => (
          <>
            <ul className="flex flex-col">
              {devices.map((one) => (
                <One key={one.id} device={one} />
              ))}
            </ul>
            {devices.length > 1 && (
              <Button className="self-start" onClick={() => setAsking(true)}>
                {t("security.endOthers")}
              </Button>
            )}
          </>
        )}
      </Loaded>
      <Confirm
        open={asking}
        title={t("security.endOthersTitle")}
        body={t("security.endOthersBody")}
        action={t("security.end")}
        busy={end.isPending}
        onConfirm={() => end.mutate(null, { onSuccess: () => toast(t("security.endedOthers")), onSettled: () => setAsking(false) })}
        onClose={() => setAsking(false)}
      />
    </Section>
  );
}

function One({ device }: { device: Device }) {
  const { t } = useTranslation();
  const end = useEndDevice();
  const name = deviceName(device.user_agent) ?? t("security.unknownDevice");
  const leave = () => (device.is_current ? void signOut() : end.mutate(device.id, { onSuccess: () => toast(t("security.ended")) }));
  return (
    <Item
      name={
        <>
          <span className="font-medium" title={device.user_agent}>
            {name}
          </span>
          {device.is_current && <Badge tone="good">{t("security.here")}</Badge>}
        </>
      }
      note={
        <>
          {device.address} · <Time iso={device.last_seen_at} say={(when) => t("security.seen", { when })} />
        </>
      }
      action={
        <Button kind="quiet" busy={end.isPending} aria-label={t("security.endLabel", { name })} onClick={leave}>
          {t("security.end")}
        </Button>
      }
    />
  );
}
