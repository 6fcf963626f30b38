"""What accounts writes to people, in Korean and in English."""

from datetime import datetime
from typing import Literal

from madang.features.accounts.contracts import Language
from madang.kernel.mail import Mail

type Letter = Literal["verification", "password_reset", "already_registered", "password_changed", "test"]

SUBJECTS: dict[Language, dict[Letter, str]] = {
    "ko": {
        "verification": "이메일 주소를 확인해 주세요",
        "password_reset": "비밀번호를 다시 정해 주세요",
        "already_registered": "이미 계정이 있습니다",
        "password_changed": "비밀번호가 바뀌었습니다",
        "test": "메일이 잘 도착했습니다",
    },
    "en": {
        "verification": "Please confirm your e-mail address",
        "password_reset": "Choose a new password",
        "already_registered": "You already have an account",
        "password_changed": "Your password was changed",
        "test": "Mail arrives",
    },
}
TEXTS: dict[Language, dict[Letter, str]] = {
    "ko": {
        "verification": (
            "안녕하세요.\n\n이 주소로 마당에 가입하셨다면 아래 링크를 눌러 주소를 확인해 주세요. 링크는 사흘 동안"
            " 쓸 수 있습니다.\n\n{link}\n\n가입하신 적이 없다면 이 메일은 지우셔도 됩니다."
        ),
        "password_reset": (
            "안녕하세요.\n\n비밀번호를 다시 정하려면 아래 링크를 눌러 주세요. 한 시간 동안, 한 번만 쓸 수 있습니다."
            "\n\n{link}\n\n요청하신 적이 없다면 아무것도 하지 않으셔도 됩니다. 비밀번호는 그대로입니다."
        ),
        "already_registered": (
            "안녕하세요.\n\n누군가 이 주소로 다시 가입하려고 했습니다. 이 주소에는 이미 계정이 있으니 그대로 로그인해"
            " 주세요.\n\n{link}\n\n비밀번호가 기억나지 않으면 로그인 화면에서 다시 정할 수 있습니다. 직접 하신 일이"
            " 아니라면 이 메일은 지우셔도 됩니다."
        ),
        "password_changed": (
            "안녕하세요.\n\n{moment}에 계정의 비밀번호가 바뀌었고, 다른 기기에서는 로그아웃되었습니다.\n\n직접 하신"
            " 일이 아니라면 바로 비밀번호를 다시 정하고 운영자에게 알려 주세요.\n\n{link}"
        ),
        "test": "안녕하세요.\n\n이 메일이 보이면 마당의 메일 설정이 잘 되어 있는 것입니다.\n\n{link}",
    },
    "en": {
        "verification": (
            "Hello,\n\nif you have registered at Madang with this address, please open this link to confirm it. It is"
            " good for three days.\n\n{link}\n\nIf it was not you, just delete this mail."
        ),
        "password_reset": (
            "Hello,\n\nopen this link to choose a new password. It is good for one hour, and once.\n\n{link}\n\n"
            "If you did not ask for it, do nothing: your password stays as it is."
        ),
        "already_registered": (
            "Hello,\n\nsomebody tried to register with this address, which has an account already. Sign in as you"
            " always do.\n\n{link}\n\nIf you have forgotten your password, choose a new one from there. If it was"
            " not you, just delete this mail."
        ),
        "password_changed": (
            "Hello,\n\nthe password of your account was changed on {moment}, and you were signed out elsewhere.\n\n"
            "If it was not you, choose a new password now and tell the person who runs this server.\n\n{link}"
        ),
        "test": "Hello,\n\nif you can read this, Madang's mail is set up well.\n\n{link}",
    },
}


def written(letter: Letter, to: str, language: Language, link: str, moment: datetime) -> Mail:
    """The letter as a mail; `link` is where it leads to, `moment` when what it tells of happened."""
    text = TEXTS[language][letter].format(link=link, moment=f"{moment:%Y-%m-%d %H:%M} UTC")
    return Mail(to, SUBJECTS[language][letter], text)
