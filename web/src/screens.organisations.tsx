import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { AuditLog } from "@/features/operations/public";
import { Organisation, Organisations, type Section, SECTIONS, type Ways } from "@/features/organisations/public";
import { Budgets, Spending, Usage } from "@/features/usage/public";
import { bringWords } from "@/kernel/i18n";

await bringWords("consoles");

export function useWays(): Ways {
  const navigate = useNavigate();
  return {
    link: (id, section, className, isCurrent, content) => (
      <Link to="/organisations/$id/{-$section}" params={{ id, section }} aria-current={isCurrent ? "page" : undefined} className={className}>
        {content}
      </Link>
    ),
    open: (id, section) => void navigate({ to: "/organisations/$id/{-$section}", params: { id, section } }),
    leave: () => void navigate({ to: "/organisations" }),
  };
}

export function OrganisationsScreen() {
  return <Organisations ways={useWays()} />;
}

export function OrganisationScreen() {
  const { id, section } = useParams({ strict: false });
  const wanted = SECTIONS.find((one) => one === section) ?? ("overview" satisfies Section);
  return (
    <Organisation
      id={id ?? ""}
      section={wanted}
      ways={useWays()}
      spending={(scope) => <Spending subject={{ kind: "scope", id: scope.id }} />}
      budgets={(scope) => <Budgets subject={{ kind: "scope", id: scope.id }} mayManage={scope.permissions.includes("budgets.manage")} />}
      usage={(scope) => <Usage scopeId={scope.id} />}
      audit={(scope) => <AuditLog scopeId={scope.id} />}
    />
  );
}
