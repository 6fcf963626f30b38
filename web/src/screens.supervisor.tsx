import { Link, useParams } from "@tanstack/react-router";
import { Supervisor, SUPERVISOR_SECTIONS } from "@/features/operations/public";
import { Budgets, Usage } from "@/features/usage/public";
import { bringWords } from "@/kernel/i18n";
import { useWays } from "./screens.organisations";

await bringWords("consoles");

export function SupervisorScreen() {
  const { section } = useParams({ strict: false });
  return (
    <Supervisor
      section={SUPERVISOR_SECTIONS.find((one) => one === section) ?? "organisations"}
      link={(one, className, isCurrent, content) => (
        <Link to="/supervisor/{-$section}" params={{ section: one }} aria-current={isCurrent ? "page" : undefined} className={className}>
          {content}
        </Link>
      )}
      ways={useWays()}
      budgets={<Budgets subject={{ kind: "platform", id: null }} mayManage />}
      usage={<Usage scopeId={null} />}
    />
  );
}
