"""What language people speak, and the sentences we say ourselves in it."""

import re
from typing import Final, Literal

type Language = Literal["ko", "en"]

_HANGUL = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ]")

NOT_IN_DOCUMENTS: Final[dict[Language, str]] = {
    "ko": "올려 주신 문서에서는 이 질문의 답을 찾지 못했습니다.",
    "en": "Your documents do not say the answer to this question.",
}
WRITTEN: Final[dict[Language, str]] = {
    "ko": "문서에는 이렇게 쓰여 있습니다.",
    "en": "This is what the document says.",
}


def language_of(text: str, preferred: str | None = None) -> Language:
    """Korean when there is Hangul in it, English when there are only other letters, and what is preferred if none."""
    if _HANGUL.search(text):
        return "ko"
    if preferred == "ko" and not any(character.isalpha() for character in text):
        return "ko"
    return "en"
