import { auth, whenLeft } from "@/kernel/auth";

const PREFIX = "madang.draft.";

/** Under which a draft of whoever is signed in is kept in this tab; it is nobody else's. */
export function draftKey(name: string): string {
  const who = auth.get();
  return `${PREFIX}${who.state === "in" ? who.user.id : ""}.${name}`;
}

/** Lets go of the drafts of everybody but the account whose keys begin so. */
function dropDrafts(besides: string | null): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX) && (besides === null || !key.startsWith(besides))) sessionStorage.removeItem(key);
  }
}

whenLeft(() => dropDrafts(null));
// Where a sign-in ran out, what its owner wrote waits for them, and goes when another account signs in here.
auth.subscribe(() => {
  if (auth.get().state === "in") dropDrafts(draftKey(""));
});
