// Runs before the first paint, so that nobody who chose the dark theme sees a white flash.
try {
  var theme = localStorage.getItem("madang.theme") || "system";
  var dark = theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
} catch {
  document.documentElement.dataset.theme = "light";
}
