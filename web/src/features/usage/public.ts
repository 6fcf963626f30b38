export { Budgets } from "./Budgets";
export { Spending } from "./Spending";
export { Usage } from "./Usage";
export { MyUsage } from "./MyUsage";
export { sayRefusal } from "./ended";
