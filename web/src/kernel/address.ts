import { createStore } from "@/kernel/store";

/** The path on which this page stands, for what is drawn outside of the router. */
export const address = createStore(location.pathname);

addEventListener("popstate", () => address.set(location.pathname));

/** Goes to another path of this page, as a link would; `instead` leaves no way back to where one was. */
export function go(path: string, { instead = false } = {}): void {
  if (instead) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  address.set(location.pathname);
}

/** The secret after the `#`, which is then gone from the address bar and from the history. */
function takeFragment(): string {
  const secret = location.hash.slice(1);
  if (secret !== "") history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(secret);
  } catch {
    return secret;
  }
}

/** A value of the query, which is then gone from the address bar; null when there is none. */
function takeParameter(name: string): string | null {
  const query = new URLSearchParams(location.search);
  const value = query.get(name);
  if (value === null) return null;
  query.delete(name);
  const rest = query.toString();
  history.replaceState(null, "", location.pathname + (rest && `?${rest}`) + location.hash);
  return value;
}

/** What the address said when this page was opened and says no longer: why a provider's sign-in failed, a mail's token. */
export const arrival = {
  error: takeParameter("sign-in-error"),
  token: /^\/(reset-password|verify-email|setup)$/.test(location.pathname) ? takeFragment() : "",
};
takeParameter("signed-in");

// A second link of a mail, opened over the first one, changes only the fragment and would load nothing.
addEventListener("hashchange", () => {
  if (/^\/(reset-password|verify-email|setup)$/.test(location.pathname)) location.reload();
});
