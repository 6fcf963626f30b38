"""Agents by name."""

from typing import TYPE_CHECKING, Final

from madang.features.agents.contracts import AGENT, AgentSpec, AgentUnknown

if TYPE_CHECKING:
    from madang.kernel.house import House

DEFAULT_AGENT: Final = "assistant"


def list_agents(house: "House") -> list[AgentSpec]:
    """Every agent that an installed module offers; of two with one name the later module's."""
    return list({spec.name: spec for spec in house.offers.all(AGENT)}.values())


def agent_of(house: "House", name: str | None) -> AgentSpec:
    """The agent of this name, the assistant for None. Raises `AgentUnknown`."""
    wanted = name or DEFAULT_AGENT
    for spec in list_agents(house):
        if spec.name == wanted:
            return spec
    raise AgentUnknown(wanted)
