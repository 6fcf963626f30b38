import { useQuery } from "@tanstack/react-query";
import { api, body } from "@/kernel/api/client";
import type { paths } from "@/kernel/api/schema";
import { asked, type Chosen } from "@/kernel/period";

export type MyBudget = paths["/api/v1/users/me/budgets"]["get"]["responses"][200]["content"]["application/json"]["items"][number];

export function useMyUsage(chosen: Chosen) {
  return useQuery({ queryKey: ["usage", "mine", chosen], queryFn: () => body(api.GET("/api/v1/users/me/usage", { params: { query: { group_by: "model", ...asked(chosen) } } })) });
}

export function useMyBudgets() {
  return useQuery({ queryKey: ["budgets", "mine"], queryFn: async () => (await body(api.GET("/api/v1/users/me/budgets"))).items });
}
