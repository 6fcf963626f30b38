"""What language people speak, and the sentences we say ourselves in it."""

import re
from typing import Final, Literal

type Language = Literal["ko", "en"]

_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")

NOT_IN_DOCUMENTS: Final[dict[Language, str]] = {
    "ko": "올려 주신 문서에서는 이 질문의 답을 찾지 못했습니다.",
    "en": "Your documents do not say the answer to this question.",
}
CLOSEST: Final[dict[Language, str]] = {
    "ko": "내장된 작은 모델이라 확실하게 답하기는 어렵습니다. 가장 가까운 대목은 다음과 같습니다.\n\n"
    "> {quote} [{number}]",
    "en": "I am a small built-in model and cannot answer this with confidence. The closest passage says:\n\n"
    "> {quote} [{number}]",
}


def language_of(text: str, preferred: str | None = None) -> Language:
    """Korean when there is Hangul in it, English when there are only other letters, and what is preferred if none."""
    if _HANGUL.search(text):
        return "ko"
    if preferred == "ko" and not any(character.isalpha() for character in text):
        return "ko"
    return "en"
