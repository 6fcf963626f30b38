"""Messages that need no documents and no thought: greetings, thanks, farewells, and what can you do.

Recognised only when the whole message is nothing else, so that no question is ever mistaken for one. The built-in
model answers them with fixed sentences, because it would talk nonsense; bigger models answer themselves.
"""

import re
from typing import Final, Literal

from madang.features.agents.service.language import Language

type Talk = Literal["greeting", "thanks", "farewell", "ability", "identity"]

_LONGEST = 60
_NOISE = re.compile(r"[\s!?.,~…。！？:;()'\"^ㅎㅋㅠㅜ❤👋🙏😀😊🙂-]+")
_CALLED = r"(there|madang|assistant|everyone|again|마당|마당아|여러분)?"

_PATTERNS: Final[tuple[tuple[Talk, re.Pattern[str]], ...]] = (
    (
        "greeting",
        re.compile(
            rf"(hi|hello|hey|heya|goodmorning|goodafternoon|goodevening|howareyou|howareyoutoday|nicetomeetyou"
            rf"|안녕|안녕하세요|안녕하십니까|하이|반가워|반가워요|반갑습니다|처음뵙겠습니다|좋은아침|좋은아침입니다|잘지내|잘지내세요)+{_CALLED}"
        ),
    ),
    (
        "thanks",
        re.compile(
            r"(ok|okay|great)?(thanks|thankyou|thankyousomuch|thankyouverymuch|thanksalot|manythanks|thx|ty"
            r"|고마워|고마워요|고맙습니다|감사|감사해요|감사합니다|정말고마워요|정말감사합니다|대단히감사합니다)+(alot|somuch)?"
        ),
    ),
    (
        "farewell",
        re.compile(
            r"(bye|goodbye|byebye|seeyou|seeyoulater|goodnight|잘가|잘있어|안녕히계세요|안녕히가세요|다음에봐|또봐요|수고하세요|잘자|잘자요)+"
        ),
    ),
    (
        "ability",
        re.compile(
            r"(whatcanyoudo|whatcanyoudoforme|howcanyouhelp|howcanyouhelpme|canyouhelpme|help|whatareyoufor"
            r"|(너는|넌|당신은|마당은)?(뭐|뭘|무엇을|무얼|무슨일을|어떤일을)할수있(어|나|니|어요|나요|습니까|죠|지)"
            r"|(나를|저를|날|절)?도와줄수있(어|니|나요|어요)|도와줘|도와주세요|도움말|사용법)"
        ),
    ),
    (
        "identity",
        re.compile(
            r"(whoareyou|whatareyou|whatsyourname|whatisyourname"
            r"|(너는|넌|당신은|너|넌)?(누구|누구야|누구니|누구세요|누구십니까|뭐야|이름이뭐야|이름이뭐예요|이름이무엇인가요)"
            r"|자기소개(해줘|해주세요|부탁해|부탁합니다)?)"
        ),
    ),
)

REPLIES: Final[dict[Language, dict[Talk, str]]] = {
    "ko": {
        "greeting": "안녕하세요! 문서를 올리고 그 내용을 물어보시면, 출처와 함께 답해 드립니다.",
        "thanks": "도움이 되었다니 기쁩니다. 더 궁금한 것이 있으면 말씀해 주세요.",
        "farewell": "안녕히 가세요. 대화는 그대로 남아 있으니 언제든 이어서 물어보세요.",
        "ability": "올려 주신 문서에서 답을 찾아, 몇 쪽에 있는 내용인지 함께 알려 드립니다. 지금은 내장된 작은 "
        "모델이라 짧은 사실 질문에 알맞고, 긴 글이나 깊은 추론에는 설정에서 더 큰 모델을 연결해 주세요.",
        "identity": "마당의 도우미입니다. 지금은 이 서버에 내장된 작은 언어 모델(Gemma 3 270M)로 답하고 있습니다.",
    },
    "en": {
        "greeting": "Hello! Upload a document and ask about it; I answer with the page it comes from.",
        "thanks": "You are welcome. Ask whenever there is more.",
        "farewell": "Goodbye. This conversation stays here, so you can go on whenever you like.",
        "ability": "I look for answers in the documents you upload and show the page they come from. Right now I am a"
        " small built-in model, good for short factual questions; connect a bigger model in the settings for long"
        " texts or hard reasoning.",
        "identity": "I am the assistant of this Madang server, speaking through its small built-in language model"
        " (Gemma 3 270M).",
    },
}


def small_talk(message: str) -> Talk | None:
    """What kind of small talk the whole message is, None when it is anything else."""
    if len(message) > _LONGEST:
        return None
    bare = _NOISE.sub("", message.casefold())
    for talk, pattern in _PATTERNS:
        if pattern.fullmatch(bare):
            return talk
    return None
