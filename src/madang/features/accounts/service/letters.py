"""What accounts writes to people, in Korean and in English."""

from datetime import UTC, datetime, timedelta, timezone

from madang.features.accounts.contracts import Language, Letter
from madang.features.accounts.service import stationery
from madang.kernel.mail import Mail

SEOUL = timezone(timedelta(hours=9))

SUBJECTS: dict[Language, dict[Letter, str]] = {
    "ko": {
        "verification": "이메일 주소를 확인해 주세요",
        "password_reset": "비밀번호를 다시 정해 주세요",
        "already_registered": "이미 계정이 있습니다",
        "password_changed": "비밀번호가 바뀌었습니다",
        "email_change": "새 이메일 주소를 확인해 주세요",
        "address_taken": "이미 계정이 있는 주소입니다",
        "email_changed": "이메일 주소가 바뀌었습니다",
        "totp_enabled": "2단계 로그인이 켜졌습니다",
        "totp_disabled": "2단계 로그인이 꺼졌습니다",
        "recovery_codes_renewed": "복구 코드가 새로 만들어졌습니다",
        "passkey_added": "패스키가 추가되었습니다",
        "passkey_removed": "패스키가 삭제되었습니다",
        "identity_linked": "다른 서비스 로그인이 연결되었습니다",
        "identity_unlinked": "다른 서비스 로그인 연결이 해제되었습니다",
        "key_created": "API 키가 만들어졌습니다",
        "sign_in_guessed": "누군가 비밀번호를 알아내려고 합니다",
        "test": "메일이 잘 도착했습니다",
    },
    "en": {
        "verification": "Please confirm your e-mail address",
        "password_reset": "Choose a new password",
        "already_registered": "You already have an account",
        "password_changed": "Your password was changed",
        "email_change": "Please confirm your new e-mail address",
        "address_taken": "This address has an account already",
        "email_changed": "Your e-mail address was changed",
        "totp_enabled": "Two-step sign-in was turned on",
        "totp_disabled": "Two-step sign-in was turned off",
        "recovery_codes_renewed": "New recovery codes were made",
        "passkey_added": "A passkey was added",
        "passkey_removed": "A passkey was removed",
        "identity_linked": "A sign-in provider was linked",
        "identity_unlinked": "A sign-in provider was unlinked",
        "key_created": "An API key was made",
        "sign_in_guessed": "Somebody is guessing your password",
        "test": "Mail arrives",
    },
}
OTHER_WAYS: dict[Language, str] = {
    "ko": (
        "\n\n비밀번호 없이 로그인하거나 계정을 쓸 수 있는 API 키, 패스키, 연결된 계정이 {count}개 그대로 남아 있습니다."
        " 설정에서 확인해 주세요."
    ),
    "en": "\n\nAPI keys, passkeys and linked accounts stay as they were: {count} in all. Look at them in the settings.",
}
NOT_YOU: dict[Language, str] = {
    "ko": (
        "\n\n직접 하신 일이 아니라면 바로 비밀번호를 바꾸고 다른 기기에서 로그아웃한 뒤 운영자에게 알려 주세요."
        "\n\n{link}"
    ),
    "en": (
        "\n\nIf it was not you, change your password now, sign out elsewhere and tell the person who runs this server."
        "\n\n{link}"
    ),
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
            "안녕하세요.\n\n{moment}에 계정의 비밀번호가 바뀌었고, 다른 기기에서는 로그아웃되었습니다.{other_ways}\n\n"
            "직접 하신 일이 아니라면 바로 비밀번호를 다시 정하고 운영자에게 알려 주세요.\n\n{link}"
        ),
        "email_change": (
            "안녕하세요.\n\n계정의 이메일 주소를 이 주소로 바꾸려면 아래 링크를 눌러 주세요. 링크는 하루 동안 쓸 수"
            " 있고, 누르시기 전에는 아무것도 바뀌지 않습니다.\n\n{link}\n\n요청하신 적이 없다면 이 메일은"
            " 지우셔도 됩니다."
        ),
        "address_taken": (
            "안녕하세요.\n\n누군가 자기 계정의 이메일을 이 주소로 바꾸려고 했습니다. 이 주소에는 이미 계정이 있어"
            " 아무것도 바뀌지 않았습니다. 직접 하신 일이라면 이 주소의 계정으로 로그인해 주세요.\n\n{link}\n\n직접"
            " 하신 일이 아니라면 이 메일은 지우셔도 됩니다."
        ),
        "email_changed": (
            "안녕하세요.\n\n{moment}에 계정의 이메일 주소가 다른 주소로 바뀌었습니다. 앞으로는 새 주소로"
            " 로그인해 주세요.\n\n직접 하신 일이 아니라면 바로 운영자에게 알려 주세요.\n\n{link}"
        ),
        "totp_enabled": "안녕하세요.\n\n{moment}에 계정의 2단계 로그인이 켜졌습니다." + NOT_YOU["ko"],
        "totp_disabled": (
            "안녕하세요.\n\n{moment}에 계정의 2단계 로그인이 꺼졌습니다. 이제 비밀번호만으로 로그인할 수 있습니다."
            + NOT_YOU["ko"]
        ),
        "recovery_codes_renewed": (
            "안녕하세요.\n\n{moment}에 계정의 복구 코드가 새로 만들어졌습니다. 이전 코드는 더 이상 쓸 수 없습니다."
            + NOT_YOU["ko"]
        ),
        "passkey_added": (
            "안녕하세요.\n\n{moment}에 계정에 패스키가 추가되었습니다. 이 패스키로 로그인할 수 있습니다."
            + NOT_YOU["ko"]
        ),
        "passkey_removed": (
            "안녕하세요.\n\n{moment}에 계정의 패스키가 삭제되었습니다. 이 패스키로는 더 이상 로그인할 수 없습니다."
            + NOT_YOU["ko"]
        ),
        "identity_linked": (
            "안녕하세요.\n\n{moment}에 다른 서비스의 계정이 연결되었습니다. 이제 그 서비스로도 로그인할 수 있습니다."
            + NOT_YOU["ko"]
        ),
        "identity_unlinked": (
            "안녕하세요.\n\n{moment}에 다른 서비스의 계정 연결이 해제되었습니다. 그 서비스로는 더 이상 로그인할 수"
            " 없습니다." + NOT_YOU["ko"]
        ),
        "key_created": (
            "안녕하세요.\n\n{moment}에 계정의 API 키가 만들어졌습니다. 이 키가 있으면 프로그램이 비밀번호 없이 계정을"
            " 쓸 수 있습니다." + NOT_YOU["ko"]
        ),
        "sign_in_guessed": (
            "안녕하세요.\n\n{moment}에 누군가 여러 번 틀린 비밀번호로 로그인하려고 했습니다. 그래서 처음 보는 곳에서"
            " 하는 로그인을 잠시 늦추고 있습니다. 전에 로그인하신 기기와 장소에서는 그대로 쓰실 수 있습니다."
            "\n\n새로운 곳에서 로그인이 되지 않으면 비밀번호를 다시 정해 주세요. 그러면 그곳에서 바로 로그인하실 수"
            " 있습니다.\n\n{link}\n\n비밀번호를 다른 곳에서도 쓰지 않으셨다면 더 하실 일은 없습니다."
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
            "Hello,\n\nthe password of your account was changed on {moment}, and you were signed out elsewhere."
            "{other_ways}\n\nIf it was not you, choose a new password now and tell the person who runs this"
            " server.\n\n{link}"
        ),
        "email_change": (
            "Hello,\n\nopen this link to make this the e-mail address of your account. It is good for one day, and"
            " nothing changes before you open it.\n\n{link}\n\nIf you did not ask for it, just delete this mail."
        ),
        "address_taken": (
            "Hello,\n\nsomebody wanted to change the address of their account to this one, which has an account"
            " already. Nothing has changed. If it was you, sign in with this address.\n\n{link}\n\nIf it was not you,"
            " just delete this mail."
        ),
        "email_changed": (
            "Hello,\n\nthe e-mail address of your account was changed to another one on {moment}. Sign in with the new"
            " address from now on.\n\nIf it was not you, tell the person who runs this server now.\n\n{link}"
        ),
        "totp_enabled": "Hello,\n\ntwo-step sign-in was turned on for your account on {moment}." + NOT_YOU["en"],
        "totp_disabled": (
            "Hello,\n\ntwo-step sign-in was turned off for your account on {moment}. The password alone is enough now."
            + NOT_YOU["en"]
        ),
        "recovery_codes_renewed": (
            "Hello,\n\nnew recovery codes were made for your account on {moment}. Those before do not work any more."
            + NOT_YOU["en"]
        ),
        "passkey_added": (
            "Hello,\n\na passkey was added to your account on {moment}. One can sign in with it." + NOT_YOU["en"]
        ),
        "passkey_removed": (
            "Hello,\n\na passkey was removed from your account on {moment}. It does not sign in any more."
            + NOT_YOU["en"]
        ),
        "identity_linked": (
            "Hello,\n\nan account at a sign-in provider was linked to your account on {moment}. One can sign in with"
            " it." + NOT_YOU["en"]
        ),
        "identity_unlinked": (
            "Hello,\n\nan account at a sign-in provider was unlinked from your account on {moment}. It does not sign in"
            " any more." + NOT_YOU["en"]
        ),
        "key_created": (
            "Hello,\n\nan API key of your account was made on {moment}. A program that has it can use the account"
            " without the password." + NOT_YOU["en"]
        ),
        "sign_in_guessed": (
            "Hello,\n\nby {moment} somebody had tried to sign in to your account with many wrong passwords. Signing in"
            " from new places is slowed down for now; where you signed in before you go on as always."
            "\n\nIf you cannot sign in at a new place, choose a new password there: it lets you in at once."
            "\n\n{link}\n\nIf you use your password nowhere else, there is nothing more to do."
        ),
        "test": "Hello,\n\nif you can read this, Madang's mail is set up well.\n\n{link}",
    },
}


ACTIONS: dict[Language, dict[Letter, str]] = {
    "ko": {
        "verification": "이메일 주소 확인하기",
        "password_reset": "새 비밀번호 정하기",
        "already_registered": "로그인하기",
        "password_changed": "비밀번호 다시 정하기",
        "email_change": "이 주소로 바꾸기",
        "address_taken": "로그인하기",
        "email_changed": "마당 열기",
        "totp_enabled": "보안 설정 보기",
        "totp_disabled": "보안 설정 보기",
        "recovery_codes_renewed": "보안 설정 보기",
        "passkey_added": "보안 설정 보기",
        "passkey_removed": "보안 설정 보기",
        "identity_linked": "보안 설정 보기",
        "identity_unlinked": "보안 설정 보기",
        "key_created": "API 키 보기",
        "sign_in_guessed": "비밀번호 다시 정하기",
        "test": "마당 열기",
    },
    "en": {
        "verification": "Confirm my address",
        "password_reset": "Choose a new password",
        "already_registered": "Sign in",
        "password_changed": "Choose a new password",
        "email_change": "Change to this address",
        "address_taken": "Sign in",
        "email_changed": "Open Madang",
        "totp_enabled": "Look at my security settings",
        "totp_disabled": "Look at my security settings",
        "recovery_codes_renewed": "Look at my security settings",
        "passkey_added": "Look at my security settings",
        "passkey_removed": "Look at my security settings",
        "identity_linked": "Look at my security settings",
        "identity_unlinked": "Look at my security settings",
        "key_created": "Look at my API keys",
        "sign_in_guessed": "Choose a new password",
        "test": "Open Madang",
    },
}
"""What is written on the link, where a mail is shown with its looks."""


def written(letter: Letter, to: str, language: Language, link: str, moment: datetime, other_ways: int = 0) -> Mail:
    """The letter as a mail; `link` is where it leads to, `moment` when what it tells of happened.

    `other_ways` are API keys, passkeys and linked accounts that a new password left as they were.
    """
    said = OTHER_WAYS[language].format(count=other_ways) if other_ways else ""
    text = TEXTS[language][letter].format(link=link, moment=_said(moment, language), other_ways=said)
    return stationery.letter(to, SUBJECTS[language][letter], text, ACTIONS[language][letter])


def _said(moment: datetime, language: Language) -> str:
    """A moment as it is read by whom the letter is for; nobody's time zone is known."""
    if language == "ko":
        at = moment.astimezone(SEOUL)
        return f"한국 시각 {at.year}년 {at.month}월 {at.day}일 {at:%H:%M}"
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B %Y} at {at:%H:%M} UTC"
