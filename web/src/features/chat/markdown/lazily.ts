import { useEffect, useState } from "react";

/** A hook that gives a module's default export once it is needed and has come; undefined until then. */
export function lazily<T>(load: () => Promise<{ default: T }>): (needed: boolean) => T | undefined {
  let here: { value: T } | undefined;
  let coming: Promise<void> | undefined;
  return function useLazy(needed) {
    const [, arrived] = useState(here !== undefined);
    useEffect(() => {
      if (!needed || here) return;
      coming ??= load().then(
        (module) => {
          here = { value: module.default };
        },
        () => {
          coming = undefined;
        },
      );
      void coming.then(() => arrived(true));
    }, [needed]);
    return needed ? here?.value : undefined;
  };
}
