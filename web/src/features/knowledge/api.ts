import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { queries } from "@/kernel/query";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type Document = Json<paths["/api/v1/documents/{document_id}"]["get"]["responses"][200]>;

export function unfinished(document: Document): boolean {
  return document.status === "queued" || document.status === "processing";
}

/** The account's documents, newest first, asked again every second while one of them is on its way. */
export function useDocuments(q: string) {
  return useInfiniteQuery({
    queryKey: ["documents", q],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) => body(api.GET("/api/v1/documents/", { params: { query: { ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } } })),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
    refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.items.some(unfinished)) ? 1_000 : false),
  });
}

/** Documents that can be asked about. */
export function useReadyDocuments(): Document[] {
  const { data } = useDocuments("");
  return data?.pages.flatMap((page) => page.items).filter((one) => one.status === "ready") ?? [];
}

/** How many documents are still on their way. */
export function useUnreadDocuments(): number {
  const { data } = useDocuments("");
  return data?.pages.flatMap((page) => page.items).filter(unfinished).length ?? 0;
}

export function usePage(id: string, number: number) {
  return useQuery({
    queryKey: ["documents", "page", id, number],
    staleTime: Infinity,
    queryFn: () => body(api.GET("/api/v1/documents/{document_id}/pages/{number}", { params: { path: { document_id: id, number } } })),
  });
}

export function useDocument(id: string) {
  return useQuery({ queryKey: ["documents", "one", id], queryFn: () => body(api.GET("/api/v1/documents/{document_id}", { params: { path: { document_id: id } } })) });
}

/** What a file dialog offers to choose; "" until the server has said what it reads. What a file is, its content says. */
export function useAccepted(): string {
  const { data } = useQuery({ queryKey: ["document-types"], staleTime: Infinity, queryFn: () => body(api.GET("/api/v1/documents/types", {})) });
  return data?.items.flatMap((one) => one.extensions).join(",") ?? "";
}

export function refreshDocuments(): Promise<void> {
  return queries.invalidateQueries({ queryKey: ["documents"] });
}

export function useDeleteDocument() {
  return useMutation({
    mutationFn: (id: string) => body(api.DELETE("/api/v1/documents/{document_id}", { params: { path: { document_id: id } } })),
    onSettled: refreshDocuments,
  });
}

export function useRetryDocument() {
  return useMutation({
    mutationFn: (id: string) => body(api.POST("/api/v1/documents/{document_id}/retry", { params: { path: { document_id: id } } })),
    onSettled: refreshDocuments,
  });
}

/** The original file; `shown` when a new tab can show it, which the caller's click must open. Others can only be kept. */
export async function originalUrl(id: string): Promise<{ url: string; shown: boolean }> {
  const blob = await body(api.GET("/api/v1/documents/{document_id}/file", { params: { path: { document_id: id } }, parseAs: "blob" }));
  return { url: URL.createObjectURL(blob), shown: blob.type !== "application/octet-stream" };
}
