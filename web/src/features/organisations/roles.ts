import type { Permission, Role, Scope } from "./api";

/** From the highest to the lowest. */
export const ROLES: readonly Role[] = ["owner", "admin", "manager", "instructor", "student"];

const rank = (role: Role) => ROLES.length - ROLES.indexOf(role);

export function may(scope: Scope, permission: Permission): boolean {
  return scope.permissions.includes(permission);
}

/** Whether the caller may restore what was deleted beneath: admins and higher, who are those that manage budgets here. */
export function restores(scope: Scope): boolean {
  return may(scope, "budgets.manage");
}

/** Whether the caller stands above the role here: a supervisor above all, everybody else by rank. */
export function standsAbove(scope: Scope, isSupervisor: boolean, role: Role): boolean {
  if (isSupervisor) return true;
  return scope.my_role !== null && rank(scope.my_role) > rank(role);
}

/** The roles that the caller can give here. There is one owner: that role goes on by a transfer. */
export function grantable(scope: Scope, isSupervisor: boolean): Exclude<Role, "owner">[] {
  return ROLES.filter((role) => role !== "owner").filter((role) => standsAbove(scope, isSupervisor, role));
}
