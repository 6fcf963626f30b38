"""Agents built with LangChain speak over the same path."""

from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from madang.features.providers.public import chat_model


class State(TypedDict):
    messages: Annotated[list, add_messages]


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: 맑음"


async def test_streamed_and_whole_are_the_same(models_house):
    model = chat_model(models_house, "openai/bench?tokens=12&rate=0")
    pieces = [chunk async for chunk in model.astream("hello")]
    whole = await model.ainvoke("hello")
    assert "".join(piece.text for piece in pieces) == whole.text == "".join(f"tok{n} " for n in range(12))
    assert whole.usage_metadata["output_tokens"] == 12
    assert whole.response_metadata["finish_reason"] == "stop"


async def test_an_agent_that_calls_a_tool(models_house, upstream):
    asks = chat_model(models_house, "openai/bench?tokens=0&tool=weather").bind_tools([weather], tool_choice="any")
    tells = chat_model(models_house, "openai/bench?text=서울은 맑습니다.&rate=0")

    async def ask(state: State) -> State:
        return {"messages": [await asks.ainvoke(state["messages"])]}

    async def use(state: State) -> State:
        return {"messages": [await weather.ainvoke(call) for call in state["messages"][-1].tool_calls]}

    async def tell(state: State) -> State:
        return {"messages": [await tells.ainvoke(state["messages"])]}

    graph = StateGraph(State).add_sequence([ask, use, tell])
    graph.add_edge(START, "ask").add_edge("tell", END)
    messages = (await graph.compile().ainvoke({"messages": [HumanMessage("서울 날씨는?")]}))["messages"]
    assert [type(message) for message in messages] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert messages[1].tool_calls[0]["args"] == {"city": "Seoul"}
    assert messages[-1].text == "서울은 맑습니다."
    first, last = upstream.bodies[-2:]
    assert first["tools"][0]["function"]["name"] == "weather"
    assert first["tool_choice"] == "required"
    assert [message["role"] for message in last["messages"]] == ["user", "assistant", "tool"]
    assert last["messages"][2]["tool_call_id"] == last["messages"][1]["tool_calls"][0]["id"]
