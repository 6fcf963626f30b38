import { Settings } from "@/features/accounts/public";
import { ModelSetting } from "@/features/providers/public";

export function SettingsScreen() {
  return <Settings model={<ModelSetting />} />;
}
