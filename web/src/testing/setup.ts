import { afterEach } from "vitest";
import { cleanup } from "@testing-library/react";
import { startLanguage } from "@/kernel/i18n";

// What index.html says with its doctype.
Object.defineProperty(document, "compatMode", { value: "CSS1Compat" });
localStorage.setItem("madang.language", "en");
await startLanguage();
afterEach(cleanup);
