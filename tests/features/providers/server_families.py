"""Each family of servers as it streams: a row is a family, a shape, its bytes, and what a person must get of it."""

import json

from madang.features.providers.public import ModelCutOff, ModelNonsense, ModelRefused, ModelUnreachable

DONE = "data: [DONE]\n\n"


def sse(*events):
    """Events as a stream; a string stands as it is."""
    return "".join(one if isinstance(one, str) else f"data: {json.dumps(one)}\n\n" for one in events)


def chunk(delta=None, finish=None, **more):
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        **more,
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish, "logprobs": None}],
    }


def said(text, **more):
    return chunk({"content": text}, **more)


def usage(prompt=9, completion=2, **more):
    return {"id": "c1", "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}}


def whole(**message):
    return {
        "id": "c1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }


def call(*calls, **more):
    return chunk({"content": None, "tool_calls": list(calls)}, **more)


AZURE_FILTERS = {"hate": {"filtered": False, "severity": "safe"}}
WEATHER = '{"city": "Seoul"}'
ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
STOP = chunk(finish="stop")

ANSWERS = {
    "OpenAI: text, usage apart": (sse(ROLE, said("안"), said("녕"), STOP, usage(), DONE), "안녕", "", "stop"),
    "OpenAI: obfuscation and service tier": (
        sse(said("안녕", service_tier="default", obfuscation="x9f"), STOP, DONE),
        "안녕",
        "",
        "stop",
    ),
    "OpenAI: a refusal": (
        sse(chunk({"refusal": "할 수 "}), chunk({"refusal": "없습니다"}), STOP, DONE),
        "할 수 없습니다",
        "",
        "stop",
    ),
    "OpenAI: cut by its limit": (sse(said("첫째, "), chunk(finish="length"), DONE), "첫째, ", "", "length"),
    "Azure: filter results before the answer": (
        sse(
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": AZURE_FILTERS}]},
            ROLE,
            said("안녕"),
            {"choices": [{"index": 0, "content_filter_results": AZURE_FILTERS, "finish_reason": None}]},
            STOP,
            DONE,
        ),
        "안녕",
        "",
        "stop",
    ),
    "Azure: filtered midway": (sse(said("안"), chunk(finish="content_filter"), DONE), "안", "", "content_filter"),
    "vLLM: usage in every event": (
        sse(
            said("안", usage={"prompt_tokens": 9, "completion_tokens": 1}),
            said("녕", usage={"prompt_tokens": 9, "completion_tokens": 2}),
            STOP,
            DONE,
        ),
        "안녕",
        "",
        "stop",
    ),
    "vLLM: reasoning and text in one event": (
        sse(
            chunk({"reasoning_content": "음", "reasoning": "음"}),
            chunk({"reasoning_content": "…", "content": "안녕"}),
            STOP,
            DONE,
        ),
        "안녕",
        "음…",
        "stop",
    ),
    "SGLang: an empty reason in every event": (
        sse(said("안", finish=""), said("녕", finish=""), chunk(finish="stop", matched_stop=7), DONE),
        "안녕",
        "",
        "stop",
    ),
    "Ollama: reasoning by its name": (
        sse(chunk({"role": "assistant", "content": "", "reasoning": "음"}), said("안녕"), STOP, DONE),
        "안녕",
        "음",
        "stop",
    ),
    "LM Studio: think tags in the text": (
        sse(said("<th"), said("ink>음"), said("</think>\n\n안녕"), STOP, DONE),
        "안녕",
        "음",
        "stop",
    ),
    "llama.cpp: timings, a null reason, CRLF": (
        sse(said("안녕", timings={"predicted_ms": 1.5}), STOP, DONE).replace("\n", "\r\n"),
        "안녕",
        "",
        "stop",
    ),
    "llama.cpp: an opening tag in the template": (
        sse(said("음…"), said("\n</think>\n"), said("안녕"), STOP, DONE),
        "안녕",
        "음…\n",
        "stop",
    ),
    "Mistral: content in parts": (
        sse(
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "음"}]}]}),
            chunk({"content": [{"type": "text", "text": "안녕"}, {"type": "reference", "reference_ids": [1]}]}),
            STOP,
            DONE,
        ),
        "안녕",
        "음",
        "stop",
    ),
    "Mistral: the model's own limit": (sse(said("안"), chunk(finish="model_length"), DONE), "안", "", "length"),
    "DeepSeek: keep-alives, reasoning with null text": (
        sse(
            ": keep-alive\n\n",
            chunk({"content": None, "reasoning_content": "음"}),
            chunk({"content": "안녕", "reasoning_content": None}),
            STOP,
            usage(prompt_cache_hit_tokens=4),
            DONE,
        ),
        "안녕",
        "음",
        "stop",
    ),
    "OpenRouter: processing, reasoning in details": (
        sse(
            ": OPENROUTER PROCESSING\n\n",
            chunk({"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "음"}]}),
            said("안녕", provider="x"),
            chunk(finish="stop", native_finish_reason="STOP"),
            DONE,
        ),
        "안녕",
        "음",
        "stop",
    ),
    "Gemini's door: its names of reasons": (sse(said("안"), chunk(finish="MAX_TOKENS")), "안", "", "length"),
    "Anthropic's door: end_turn": (
        sse("event: message\n", said("안녕"), chunk(finish="end_turn"), DONE),
        "안녕",
        "",
        "stop",
    ),
    "DashScope: the word null for no reason": (
        sse(said("안", finish="null"), said("녕", finish="null"), STOP, DONE),
        "안녕",
        "",
        "stop",
    ),
    "gateway: events without choices": (
        sse(
            {"choices": None},
            said("안"),
            {"choices": []},
            {},
            "data: null\n\n",
            "data:\n\n",
            {"choices": [{"index": 0, "delta": None}]},
            said("녕"),
            STOP,
            DONE,
        ),
        "안녕",
        "",
        "stop",
    ),
    "gateway: CR alone, a mark at the start": (
        "\ufeff" + sse(said("안녕"), STOP, DONE).replace("\n", "\r"),
        "안녕",
        "",
        "stop",
    ),
    "gateway: an event over several lines": (
        "".join(f"data: {line}\n" for line in json.dumps(said("안녕"), indent=2).split("\n")) + "\n" + sse(STOP, DONE),
        "안녕",
        "",
        "stop",
    ),
    "gateway: no empty lines, no [DONE]": (sse(said("안"), said("녕"), STOP).replace("\n\n", "\n"), "안녕", "", "stop"),
    "gateway: a number where digits are said": (sse(said("1"), said(7), said(2.50), STOP, DONE), "172.5", "", "stop"),
    "gateway: half a character in each event": (sse(said("\ud83c"), said("\udfe1"), STOP, DONE), "🏡", "", "stop"),
    "gateway: bytes that are no UTF-8": (
        sse(said("안녕!"), STOP, DONE).replace("!", "\x00\x00").encode().decode("latin-1").replace("\x00\x00", "\xff"),
        None,
        "",
        "stop",
    ),
    "gateway: choices keyed by number": (
        sse({"choices": {"0": {"delta": {"content": "안녕"}}}}, STOP, DONE),
        "안녕",
        "",
        "stop",
    ),
    "gateway: the whole text again at the end": (
        sse(
            said("안녕"),
            {"choices": [{"index": 0, "delta": {}, "message": {"content": "안녕"}, "finish_reason": "stop"}]},
            DONE,
        ),
        "안녕",
        "",
        "stop",
    ),
    "gateway: a second choice nobody asked for": (
        sse(said("안"), {"choices": [{"index": 1, "delta": {"content": "x"}}]}, said("녕"), STOP, DONE),
        "안녕",
        "",
        "stop",
    ),
    "no stream: one whole completion": (
        json.dumps(whole(content="안녕", reasoning_content="음")),
        "안녕",
        "음",
        "stop",
    ),
    "no stream: written over many lines": (json.dumps(whole(content="안녕"), indent=2) + "\n", "안녕", "", "stop"),
    "no stream: lines of JSON": (
        "".join(json.dumps(one) + "\n" for one in (said("안"), said("녕"), STOP)),
        "안녕",
        "",
        "stop",
    ),
    "tags: in a fence they are the answer's": (
        sse(said("```xml\n<th"), said("ink>a</think>\n```"), STOP, DONE),
        "```xml\n<think>a</think>\n```",
        "",
        "stop",
    ),
    "only reasoning, then the limit": (
        sse(chunk({"reasoning_content": "음"}), chunk(finish="length"), DONE),
        "",
        "음",
        "length",
    ),
}

FAILURES = {
    "OpenAI: an error in the stream": (
        sse(said("안"), {"error": {"message": "boom", "type": "server_error"}}),
        ModelCutOff,
        "안",
        "boom",
    ),
    "SGLang: cut, with an empty reason in every event": (
        sse(said("안", finish=""), said("녕", finish="")),
        ModelCutOff,
        "안녕",
        "",
    ),
    "vLLM: an error without the wrapper": (
        sse({"object": "error", "message": "maximum context length is 8192 tokens", "code": 400}, DONE),
        "model_context_exceeded",
        "",
        "maximum context length is 8192 tokens",
    ),
    "vLLM: the same after text": (
        sse(said("안"), {"object": "error", "message": "boom", "code": 500}, DONE),
        ModelCutOff,
        "안",
        "boom",
    ),
    "Ollama: no such model": (
        '{"error":{"message":"model \\"x\\" not found, try pulling it first"}}',
        "model_not_found",
        "",
        "try pulling it",
    ),
    "Anthropic's door: an error by its event": (
        sse(
            said("안"), 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"boom"}}\n\n'
        ),
        ModelCutOff,
        "안",
        "boom",
    ),
    "Gemini's door: a list of errors": (
        json.dumps([{"error": {"code": 400, "message": "boom", "status": "INVALID_ARGUMENT"}}], indent=1),
        ModelRefused,
        "",
        "boom",
    ),
    "OpenRouter: an error within the choice": (
        sse(
            said("안"),
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": ""},
                        "finish_reason": "error",
                        "error": {"code": 502, "message": "boom"},
                    }
                ]
            },
        ),
        ModelCutOff,
        "안",
        "boom",
    ),
    "DeepSeek: out of resources": (
        sse(said("안"), chunk(finish="insufficient_system_resource"), DONE),
        ModelCutOff,
        "안",
        "insufficient_system_resource",
    ),
    "MiniMax: an error under base_resp": (
        sse({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        "model_quota_exhausted",
        "",
        "insufficient balance",
    ),
    "FastAPI: detail": ('{"detail":[{"loc":["body","x"],"msg":"boom"}]}', ModelRefused, "", "boom"),
    "gateway: a page": (
        "<html><title>Bad gateway</title><p>try later</p></html>",
        ModelNonsense,
        "",
        "Bad gateway try later",
    ),
    "gateway: plain words": ("upstream connect error or disconnect", ModelNonsense, "", "upstream connect error"),
    "gateway: a page after text": (
        sse(said("안")) + "<html>504 Gateway Time-out</html>\n",
        ModelCutOff,
        "안",
        "504 Gateway Time-out",
    ),
    "gateway: JSON after text": (sse(said("안")) + '{"error":"boom"}', ModelCutOff, "안", "boom"),
    "gateway: another protocol": (sse({"content": "안녕"}, {"content": "!"}), ModelNonsense, "", ""),
    "gateway: nothing at all": ("", ModelUnreachable, "", ""),
}


CALLS = {
    "OpenAI: arguments in pieces": (
        [
            call({"index": 0, "id": "a", "function": {"name": "weather", "arguments": ""}}),
            call({"index": 0, "function": {"arguments": '{"city"'}}),
            call({"index": 0, "function": {"arguments": ': "Seoul"}'}}),
        ],
        [("a", "weather", WEATHER)],
    ),
    "Ollama: several calls, all numbered 0": (
        [
            call({"index": 0, "id": "a", "function": {"name": "weather", "arguments": WEATHER}}),
            call({"index": 0, "id": "b", "function": {"name": "clock", "arguments": "{}"}}),
        ],
        [("a", "weather", WEATHER), ("b", "clock", "{}")],
    ),
    "gateway: no index, arguments as an object": (
        [
            call({"index": None, "id": "a", "function": {"name": "weather", "arguments": {"city": "Seoul"}}}),
            call({"id": "b", "function": {"name": "clock", "arguments": {}}}),
        ],
        [("a", "weather", WEATHER), ("b", "clock", "{}")],
    ),
    "gateway: an id and the name with every piece": (
        [
            call({"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city"'}}),
            call({"index": 0, "id": "a", "function": {"name": "weather", "arguments": ': "Seoul"}'}}),
        ],
        [("a", "weather", WEATHER)],
    ),
    "vLLM: a fresh id with every piece": (
        [
            call({"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city"'}}),
            call({"index": 0, "id": "b", "function": {"name": None, "arguments": ': "Seoul"}'}}),
        ],
        [("a", "weather", WEATHER)],
    ),
    "Gemini's door: no id at all": (
        [call({"index": 0, "id": "", "function": {"name": "weather", "arguments": WEATHER}})],
        [("call_0", "weather", WEATHER)],
    ),
    "old servers: function_call": (
        [
            chunk({"function_call": {"name": "weather", "arguments": '{"city"'}}),
            chunk({"function_call": {"arguments": ': "Seoul"}'}}),
        ],
        [("call_0", "weather", WEATHER)],
    ),
}
