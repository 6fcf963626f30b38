import { type QueryKey, useMutation } from "@tanstack/react-query";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { queries } from "@/kernel/query";
import { toast } from "@/kernel/ui";

interface DeedOptions {
  /** Whoever calls shows the refusal itself, beside what was entered. */
  quiet?: boolean;
}

/** Something that changes the server: afterwards what it touched is asked again; a refusal is said in a toast. */
export function useDeed<Input, Output>(run: (input: Input) => Promise<Output>, touches: readonly QueryKey[], { quiet = false }: DeedOptions = {}) {
  return useMutation({
    mutationFn: run,
    onError: (error) => {
      if (!quiet) toast(sayError(codeOf(error)), { danger: true });
    },
    // Not waited for: what is asked again may take the row away that the caller's own words stand in.
    onSettled: () => {
      for (const queryKey of touches) void queries.invalidateQueries({ queryKey });
    },
  });
}
