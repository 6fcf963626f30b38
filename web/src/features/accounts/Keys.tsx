import { useState } from "react";
import { useTranslation } from "react-i18next";
import { sayName } from "@/kernel/i18n";
import { Badge, Button, Confirm, IconButton, Part, Time, toast } from "@/kernel/ui";
import { partsOf, type ApiKey, useKeys, useRemoveKey } from "./keys";
import { NewKeyDialog, NewKeyShown } from "./NewKey";
import { Item, Loaded } from "./parts";

/** Keys with which programs act in one's name. */
export function Keys() {
  const { t } = useTranslation();
  const query = useKeys();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<string | null>(null);
  const [doomed, setDoomed] = useState<ApiKey | null>(null);
  const remove = useRemoveKey();
  return (
    <div className="pt-7">
      <Part
        title={t("apiKeys.title")}
        lead={t("apiKeys.lead")}
        action={
          <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>
            {t("apiKeys.new")}
          </Button>
        }
      >
        <Loaded query={query} rows={3}>
          {(keys) =>
            keys.length === 0 ? (
              <p className="rounded-lg border border-dashed border-line-strong/50 px-4 py-10 text-center text-ink-3">{t("apiKeys.empty")}</p>
            ) : (
              <ul className="flex flex-col border-t border-line">
                {keys.map((one) => (
                  <Row key={one.id} apiKey={one} onRemove={() => setDoomed(one)} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Part>
      {making && (
        <NewKeyDialog
          onMade={(key) => {
            setMaking(false);
            setMade(key);
          }}
          onClose={() => setMaking(false)}
        />
      )}
      {made !== null && <NewKeyShown secret={made} onClose={() => setMade(null)} />}
      {doomed && (
        <Confirm
          open
          title={t("apiKeys.removeTitle", { name: doomed.name })}
          body={t("apiKeys.removeBody")}
          action={t("apiKeys.remove")}
          busy={remove.isPending}
          onConfirm={() => remove.mutate(doomed.id, { onSuccess: () => toast(t("apiKeys.removed")), onSettled: () => setDoomed(null) })}
          onClose={() => setDoomed(null)}
        />
      )}
    </div>
  );
}

function Row({ apiKey, onRemove }: { apiKey: ApiKey; onRemove: () => void }) {
  const { t, i18n } = useTranslation();
  const { name, prefix, permissions, expires_at, last_used_at, created_at } = apiKey;
  const over = expires_at !== null && isOver(expires_at);
  return (
    <Item
      name={
        <>
          <span className="font-medium">{name}</span>
          <span className="font-mono text-sm text-ink-3">{prefix}…</span>
          {over && <Badge tone="bad">{t("apiKeys.expired")}</Badge>}
        </>
      }
      note={
        <>
          <span className="block">{summary(permissions, t("apiKeys.write"), t("apiKeys.read"))}</span>
          <span className="flex flex-wrap gap-x-3">
            <Time iso={last_used_at ?? created_at} say={(when) => (last_used_at === null ? t("apiKeys.unused") : t("apiKeys.lastUsed", { when }))} />
            {expires_at === null ? <span>{t("apiKeys.noEnd")}</span> : !over && <span>{t("apiKeys.until", { when: day(expires_at, i18n.language) })}</span>}
          </span>
        </>
      }
      action={<IconButton icon="trash" size={16} label={`${t("apiKeys.remove")}: ${name}`} onClick={onRemove} />}
    />
  );
}

/** "Chats (read and write), Documents (read)". */
function summary(permissions: readonly string[], write: string, read: string): string {
  return [...partsOf(permissions)].map(([part, { writes }]) => (part === "supervisor" ? sayName("apiKeys.part", part) : `${sayName("apiKeys.part", part)} (${writes ? write : read})`)).join(", ");
}

const isOver = (iso: string, now = Date.now()) => Date.parse(iso) <= now;

const day = (iso: string, language: string) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(iso));
