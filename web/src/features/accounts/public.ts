export { useChoose, usePreferences } from "./api";
export { Settings, SETTINGS, type SettingsSection } from "./Settings";
export { Welcome } from "./Welcome";
