import { QueryClient } from "@tanstack/react-query";
import { Problem } from "@/kernel/api/problem";
import { connection } from "@/kernel/connection";

/** One cache for the page. A refusal is final; a server that cannot be reached is asked again. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => !(error instanceof Problem && error.status < 500) && count < 3,
      retryDelay: (attempt) => Math.min(4_000, 300 * 2 ** attempt),
    },
  },
});

connection.subscribe(() => {
  if (connection.get() === "up") void queries.invalidateQueries();
});
