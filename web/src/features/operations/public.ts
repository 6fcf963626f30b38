export { AuditLog } from "./AuditLog";
export { Supervisor, SUPERVISOR_SECTIONS, type SupervisorSection } from "./Supervisor";
