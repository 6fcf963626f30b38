import { Welcome } from "@/features/accounts/public";
import { Join } from "@/features/organisations/public";
import { go } from "@/kernel/address";
import { bringWords } from "@/kernel/i18n";

await bringWords("entrance");

export function EntranceScreen() {
  return <Welcome invitation={(code, entry) => <Join key={code} code={code} entry={entry} onDone={() => go("/", { instead: true })} onLeave={() => go("/", { instead: true })} />} />;
}
