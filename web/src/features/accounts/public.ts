export { useChoose, usePreferences } from "./api";
export { Settings } from "./Settings";
export { Welcome } from "./Welcome";
