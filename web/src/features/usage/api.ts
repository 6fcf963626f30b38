import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { useDeed } from "@/kernel/deed";
import { given } from "@/kernel/pages";
import { asked, type Chosen } from "@/kernel/period";

type Json<R> = R extends { content: { "application/json": infer T } } ? T : never;
export type UsageReport = Json<paths["/api/v1/usage/"]["get"]["responses"][200]>;
export type UsageRow = UsageReport["items"][number];
export type GroupBy = NonNullable<NonNullable<paths["/api/v1/usage/"]["get"]["parameters"]["query"]>["group_by"]>;
export type Budget = Json<paths["/api/v1/budgets/"]["get"]["responses"][200]>["items"][number];

/** Whose budgets: the house's, a scope's or an account's. */
export interface Subject {
  kind: Budget["subject_kind"];
  id: string | null;
}

export function useUsage(scopeId: string | null, group_by: GroupBy, chosen: Chosen) {
  return useQuery({
    queryKey: ["usage", scopeId, group_by, chosen],
    placeholderData: (before) => before,
    queryFn: () => body(api.GET("/api/v1/usage/", { params: { query: { ...given({ scope_id: scopeId }), group_by, ...asked(chosen) } } })),
  });
}

export function useBudgets({ kind, id }: Subject) {
  return useQuery({ queryKey: ["budgets", kind, id], queryFn: async () => (await body(api.GET("/api/v1/budgets/", { params: { query: { subject_kind: kind, ...given({ subject_id: id }) } } }))).items });
}

export type BudgetWish = Pick<Budget, "unit" | "window"> & { limit: number };

export function useMakeBudget({ kind, id }: Subject) {
  return useDeed((wish: BudgetWish) => body(api.POST("/api/v1/budgets/", { body: { subject_kind: kind, ...given({ subject_id: id }), ...wish } })), [["budgets"]], { quiet: true });
}

export function useChangeBudget() {
  return useDeed(({ id, limit }: { id: string; limit: number }) => body(api.PUT("/api/v1/budgets/{budget_id}", { params: { path: { budget_id: id } }, body: { limit } })), [["budgets"]], { quiet: true });
}

export function useRemoveBudget() {
  return useDeed((budget_id: string) => body(api.DELETE("/api/v1/budgets/{budget_id}", { params: { path: { budget_id } } })), [["budgets"]]);
}
