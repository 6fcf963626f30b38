import { type QueryKey, useInfiniteQuery, type UseInfiniteQueryResult } from "@tanstack/react-query";

export interface CursorPage<T> {
  items: T[];
  next_cursor?: string | null;
}

/** A list of the server's, page by page: `items` so far, and the query for what a screen says about it. */
export interface Pages<T> {
  items: T[] | null;
  query: Pick<UseInfiniteQueryResult, "isError" | "error" | "refetch" | "hasNextPage" | "isFetchingNextPage" | "fetchNextPage">;
}

export function usePages<T>(queryKey: QueryKey, load: (cursor: string | null) => Promise<CursorPage<T>>): Pages<T> {
  const query = useInfiniteQuery({
    queryKey,
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => load(pageParam),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  });
  return { items: query.data?.pages.flatMap((page) => page.items) ?? null, query };
}

/** What to send of a filter: nothing for what was left empty. */
export function given<T extends Record<string, unknown>>(filter: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== null && value !== undefined && value !== "")) as { [K in keyof T]?: NonNullable<T[K]> };
}
