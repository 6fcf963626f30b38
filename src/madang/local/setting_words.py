"""Why the value of a setting cannot be used, in English and Korean, by pydantic's name of the error.

What stands in braces is pydantic's own: bounds and choices, never the value, which may be a secret.
"""

from collections.abc import Mapping

from madang.local.words import Language, language

WHOLE: Mapping[Language, str] = {"en": "it must be a whole number", "ko": "정수여야 합니다"}
NUMBER: Mapping[Language, str] = {"en": "it must be a number", "ko": "숫자여야 합니다"}
TRUTH: Mapping[Language, str] = {"en": "it must be true or false", "ko": "true나 false여야 합니다"}
TEXT: Mapping[Language, str] = {"en": "it must be text", "ko": "문자열이어야 합니다"}
LIST: Mapping[Language, str] = {
    "en": 'it must be a JSON list, such as ["a", "b"]',
    "ko": '["a", "b"] 같은 JSON 목록이어야 합니다',
}
OBJECT: Mapping[Language, str] = {
    "en": 'it must be a JSON object, such as {"a": 1}',
    "ko": '{"a": 1} 같은 JSON 객체여야 합니다',
}
UUID: Mapping[Language, str] = {
    "en": "it must be a UUID, such as 019b0000-0000-7000-8000-000000000000",
    "ko": "019b0000-0000-7000-8000-000000000000 같은 UUID여야 합니다",
}

REASONS: Mapping[str, Mapping[Language, str]] = {
    "missing": {"en": "it must be set", "ko": "값을 정해 주셔야 합니다"},
    "extra_forbidden": {"en": "there is no member of this name", "ko": "이런 이름의 항목은 없습니다"},
    "json_invalid": {"en": "it must be JSON", "ko": "JSON 형식이어야 합니다"},
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "int_type": WHOLE,
    "float_parsing": NUMBER,
    "float_type": NUMBER,
    "finite_number": NUMBER,
    "bool_parsing": TRUTH,
    "bool_type": TRUTH,
    "string_type": TEXT,
    "string_unicode": TEXT,
    "path_type": TEXT,
    "list_type": LIST,
    "tuple_type": LIST,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "uuid_type": UUID,
    "uuid_parsing": UUID,
    "literal_error": {"en": "it must be one of {expected}", "ko": "다음 가운데 하나여야 합니다: {expected}"},
    "string_too_short": {
        "en": "it must have at least {min_length} characters",
        "ko": "{min_length}자 이상이어야 합니다",
    },
    "string_too_long": {"en": "it must have at most {max_length} characters", "ko": "{max_length}자 이하여야 합니다"},
    "too_short": {"en": "it must have at least {min_length} items", "ko": "항목이 {min_length}개 이상이어야 합니다"},
    "too_long": {"en": "it must have at most {max_length} items", "ko": "항목이 {max_length}개 이하여야 합니다"},
    "string_pattern_mismatch": {"en": "it must match {pattern}", "ko": "형식({pattern})에 맞아야 합니다"},
    "example": {"en": "it must look like {examples}", "ko": "다음과 같은 형식이어야 합니다: {examples}"},
    "greater_than": {"en": "it must be more than {gt}", "ko": "{gt}보다 커야 합니다"},
    "greater_than_equal": {"en": "it must be at least {ge}", "ko": "{ge} 이상이어야 합니다"},
    "less_than": {"en": "it must be less than {lt}", "ko": "{lt}보다 작아야 합니다"},
    "less_than_equal": {"en": "it must be at most {le}", "ko": "{le} 이하여야 합니다"},
    "scheme": {"en": "it must begin with {allowed}", "ko": "다음 가운데 하나로 시작해야 합니다: {allowed}"},
    "networks": {
        "en": "each must be an IP address or a network, such as 10.0.0.0/8, or the word none",
        "ko": "IP 주소나 10.0.0.0/8 같은 네트워크, 또는 none이어야 합니다",
    },
    "secrets_short": {
        "en": "each must have at least {least} characters; not so number {numbers}",
        "ko": "각각 {least}자 이상이어야 합니다. 짧은 것: {numbers}번째",
    },
    "time_zone": {
        "en": "it must be the name of a time zone, such as Asia/Seoul",
        "ko": "Asia/Seoul 같은 시간대 이름이어야 합니다",
    },
    "model_name": {
        "en": "it must be provider/model, the provider one of {providers}",
        "ko": "provider/model 형식이어야 하며, provider는 다음 가운데 하나입니다: {providers}",
    },
    "providers_same_name": {
        "en": "two providers in MADANG_OIDC_PROVIDERS have the same name",
        "ko": "MADANG_OIDC_PROVIDERS에 이름이 같은 제공자가 둘 있습니다",
    },
    "provider_without_domains": {
        "en": "the provider {name} speaks for an organisation: say in email_domains for which addresses",
        "ko": "제공자 {name}이(가) 조직을 대신하므로 어떤 주소를 맡는지 email_domains에 적어야 합니다",
    },
}
OTHER: Mapping[Language, str] = {"en": "{said}", "ko": "알맞지 않은 값입니다({said})"}
"""For an error that has no words of its own."""


def reason_of(kind: str, said: str, context: Mapping[str, object]) -> str:
    """Why, in the language of the terminal; `said` is what the error says of itself."""
    if kind in {"too_short", "too_long"} and context.get("field_type") == "Value":  # a secret, which has characters
        kind = f"string_{kind}"
    words = REASONS.get(kind, OTHER)[language()]
    if kind in {"list_type", "tuple_type", "dict_type", "model_type", "model_attributes_type"}:
        return words
    shown = {name: str(value).replace(" or ", ", ") for name, value in context.items()}
    return words.format(said=said, **{name: value for name, value in shown.items() if name != "said"})
