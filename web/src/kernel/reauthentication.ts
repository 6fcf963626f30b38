import { createStore } from "@/kernel/store";

/** Told how the asking ended; null while nobody is asked. */
export const asking = createStore<((proved: boolean) => void) | null>(null);

let running: Promise<boolean> | null = null;

/** Asks whoever is signed in for their password, once for all who need it; false when they would rather not. */
export function reauthenticate(): Promise<boolean> {
  running ??= new Promise<boolean>((resolve) => asking.set(resolve)).finally(() => {
    asking.set(null);
    running = null;
  });
  return running;
}
