"""Numbers with their units as people write them in Korean and English: patterns to put together."""

from typing import Final

_ONES: Final = "한|두|세|네|석|넉|다섯|여섯|일곱|여덟|아홉|서너|두세|대여섯"
_TENS: Final = "열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔"
_NATIVE: Final = rf"(?<![가-힣])(?:(?:{_TENS})(?:{_ONES})?|{_ONES}|하나|둘|셋|넷|수십|수백|수천)"
_CHINESE: Final = r"(?<![가-힣])(?:[일이삼사오육칠팔구]?[십백천만억조])+[일이삼사오육칠팔구]?"
_DIGITS: Final = r"\d[\d,.]*(?:\s?[십백천만억조]+)*(?:\s\d[\d,.]*(?:\s?[십백천만억조]+)*)*"
KOREAN: Final = rf"(?:{_DIGITS}|{_CHINESE}|{_NATIVE})\s?여?\s?"

_WORD: Final = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    "eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|"
    "dozens?|half|several"
)
ENGLISH: Final = rf"(?:\d[\d,.]*|\b(?:{_WORD})\b)(?:[\s-](?:{_WORD})\b)*"

MONTH: Final = "(?:january|february|march|april|may|june|july|august|september|october|november|december)"
WEEKDAY: Final = "(?:mon|tues|wednes|thurs|fri|satur|sun)days?"

DURATION: Final = (
    rf"{KOREAN}(?:초|분|시간|일|주일|주|달|개월|년|해|박|학기|세기)|하루(?!에)|이틀|사흘|나흘|닷새|엿새|이레|여드레|아흐레|열흘|보름"
    rf"|일주일(?!에)|반나절|평생|{ENGLISH}[\s-](?:(?:more|working|business|calendar|full) )?"
    r"(?:second|minute|hour|day|night|week|fortnight|month|year|decade)s?"
    r"|\b(?:an?|whole|per) (?:second|minute|hour|day|night|week|fortnight|month|year)\b|overnight|all day|forever"
)
CLOCK: Final = (
    rf"{KOREAN}시(?!간)|\d{{1,2}}[:.]\d\d|정오|자정|\d{{1,2}}\s?[ap]\.?m\b|\bnoon\b|midnight|o'clock|half past"
    rf"|quarter (?:to|past)|\b(?:at|until|till|before|from|after|by|to) {ENGLISH}"
    r"(?! ?(?:euro|dollar|%|per|pound|minute|hour|day|week|month|year|cent))"
)
YEAR: Final = r"\d{3,4}\s?년|\b(?:1\d|20)\d\d\b"
DATE: Final = (
    rf"{CLOCK}|(?:\d+|[일이삼사오육칠팔구십]+)\s?[년월일](?!\s?(?:간|동안))|[월화수목금토일]요일|\d+\s?세기|오전|오후|새벽"
    r"|매주|매일|매달|매월|주말|(?<![가-힣])(?:봄|여름|가을|겨울)(?=에|철|부터|까지|,|\s)|설날|추석|공휴일"
    rf"|\b(?:1\d|20)\d\d\b|\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH}|\b{MONTH}\b(?<!\bmay)|\bmay \d|\bin may\b"
    rf"|\b{WEEKDAY}\b|weekend|weekday|\b(?:morning|afternoon|evening|spring|summer|autumn|winter|century|christmas"
    rf"|easter)s?\b|today|tomorrow|yesterday|\b(?:after|before|within|every|once a) (?:{ENGLISH} )?(?:working )?"
    r"(?:hour|day|week|month|year)s?"
)
MONEY: Final = (
    rf"{KOREAN}(?:원|달러|유로|엔|위안|파운드|프랑|루블|마르크|페소|센트)|무료|공짜|[$€£¥₩]\s?\d"
    rf"|{ENGLISH}\s?(?:dollar|euro|pound|cent|penn|pence|franc|won|yen|krona|crown|rupee)|\bfree\b"
)
PERCENT: Final = r"\d[\d.,]*\s?(?:%|퍼센트|프로|per ?cent)|\bper ?cent|절반"
OFTEN: Final = (
    rf"{KOREAN}(?:번|회|차례)|마다|매일|매주|매달|매월|매년|\bonce\b|\btwice\b|{ENGLISH} times|\bevery\b"
    r"|\b(?:daily|weekly|monthly|yearly|annually|hourly)\b|\b(?:a|per) (?:day|week|month|year)\b"
)
AMOUNT: Final = rf"{KOREAN}[가-힣a-zA-Z%㎡°]+|\d|{ENGLISH}"
COUNT: Final = (
    rf"(?<![$€£.:\d]){ENGLISH}(?![:.]\d)(?<!\b1\d\d\d)(?<!\b20\d\d)(?!\s?(?:%|per ?cent|euro|dollar|pound|[ap]m\b))"
)
