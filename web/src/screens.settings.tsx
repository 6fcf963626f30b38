import { Link, useParams } from "@tanstack/react-router";
import { Settings, SETTINGS } from "@/features/accounts/public";
import { MyPlaces } from "@/features/organisations/public";
import { ModelSetting } from "@/features/providers/public";
import { MyUsage } from "@/features/usage/public";
import { go } from "@/kernel/address";
import { bringWords } from "@/kernel/i18n";

await bringWords("account");

export function SettingsScreen() {
  const { section } = useParams({ strict: false });
  return (
    <Settings
      section={SETTINGS.find((one) => one === section) ?? "general"}
      link={(one, className, isCurrent, content) => (
        <Link to="/settings/{-$section}" params={{ section: one === "general" ? undefined : one }} aria-current={isCurrent ? "page" : undefined} className={className}>
          {content}
        </Link>
      )}
      model={<ModelSetting />}
      places={<MyPlaces onCode={(code) => go(`/join/${encodeURIComponent(code)}`)} />}
      usage={<MyUsage />}
    />
  );
}
