"""What `madang up` and the command line say, in English and Korean."""

import os
from collections.abc import Mapping
from typing import Literal

type Language = Literal["en", "ko"]

WORDS: Mapping[str, Mapping[Language, str]] = {
    "starting": {
        "en": "Madang is starting; everything it keeps is in {folder}.",
        "ko": "마당을 시작합니다. 모든 자료는 {folder}에 보관됩니다.",
    },
    "first": {
        "en": "The first start prepares the database and the built-in models; this takes some seconds longer.",
        "ko": "처음에는 데이터베이스와 내장 모델을 준비하느라 몇 초 더 걸립니다.",
    },
    "setup": {
        "en": "Make the supervisor's account here, once: {url}",
        "ko": "먼저 이 주소에서 관리자 계정을 만들어 주세요(한 번만 쓸 수 있습니다): {url}",
    },
    "stop_hint": {
        "en": "Ctrl-C ends it. Logs: {folder}",
        "ko": "끝내려면 Ctrl-C를 누르세요. 로그: {folder}",
    },
    "stopping": {"en": "Madang is ending …", "ko": "마당을 끝내는 중입니다 …"},
    "stopped": {"en": "Madang has ended.", "ko": "마당을 끝냈습니다."},
    "restart": {
        "en": "{name} ended unexpectedly ({reason}); it starts again in {delay} s. Log: {log}",
        "ko": "{name}이(가) 예기치 않게 끝났습니다({reason}). {delay}초 뒤 다시 시작합니다. 로그: {log}",
    },
    "not_written": {
        "en": "{path} cannot be written ({reason}). Madang goes on; free some space on that disk.",
        "ko": "{path}에 쓸 수 없습니다({reason}). 마당은 계속 실행됩니다. 그 디스크의 공간을 비워 주세요.",
    },
    "not_started": {
        "en": "{name} could not be started again ({reason}); it is tried again in {delay} s.",
        "ko": "{name}을(를) 다시 시작하지 못했습니다({reason}). {delay}초 뒤 다시 시도합니다.",
    },
    "disk": {
        "en": "{path} cannot be written ({reason}). Free some space on that disk, or set MADANG_DATA_DIR to another.",
        "ko": "{path}에 쓸 수 없습니다({reason}). 그 디스크의 공간을 비우거나 MADANG_DATA_DIR에 다른 디스크의 폴더를 "
        "지정하세요.",
    },
    "db_version": {
        "en": "PostgreSQL {version} is older than Madang is tried with ({tried}); it may lack something.",
        "ko": "PostgreSQL {version}은 마당이 시험한 판({tried})보다 오래되어 모자라는 기능이 있을 수 있습니다.",
    },
    "db_vector": {
        "en": "Madang needs the extension pgvector 0.8 or later in PostgreSQL; there is {version}. Install it on the "
        "database's machine (Debian: postgresql-{tried}-pgvector), then run `madang migrate`.",
        "ko": "PostgreSQL에 pgvector 0.8 이상이 있어야 합니다(지금: {version}). 데이터베이스가 있는 컴퓨터에 설치한 뒤 "
        "(Debian: postgresql-{tried}-pgvector) `madang migrate`를 실행하세요.",
    },
    "db_empty": {
        "en": "The database is empty. Run `madang migrate` with the address of its owner, once; PostgreSQL {tried} "
        "with pgvector 0.8 or later is needed.",
        "ko": "데이터베이스가 비어 있습니다. 소유자의 주소로 `madang migrate`를 한 번 실행하세요. PostgreSQL {tried}과 "
        "pgvector 0.8 이상이 필요합니다.",
    },
    "db_role": {
        "en": "DATABASE_URL signs in as {name}, who may not act as {app}. As the owner of the database: "
        "GRANT {app} TO {name};",
        "ko": "DATABASE_URL의 {name}에게 {app} 역할이 없습니다. 데이터베이스의 소유자로 실행하세요: "
        "GRANT {app} TO {name};",
    },
    "db_old": {
        "en": "The database is of an older version ({there}, this is {here}). Run `madang migrate` with the address of "
        "its owner.",
        "ko": "데이터베이스가 이전 판({there})의 것입니다(이 프로그램: {here}). 소유자의 주소로 `madang migrate`를 "
        "실행하세요.",
    },
    "db_newer": {
        "en": "The database is of a newer version ({there}, this is {here}). Install that version of Madang.",
        "ko": "데이터베이스가 더 새로운 판({there})의 것입니다(이 프로그램: {here}). 그 판의 마당을 설치하세요.",
    },
    "db_privileged": {
        "en": "DATABASE_URL signs in as {name}, who is a superuser, bypasses row-level security or owns the tables; "
        "one fault in the code would then show everybody's data. Give Madang a role of its own: "
        "CREATE ROLE madang LOGIN PASSWORD '…'; GRANT madang_app TO madang; and keep the owner's address in "
        "MADANG_OWNER_DATABASE_URL, for `madang migrate` alone.",
        "ko": "DATABASE_URL의 {name}은(는) 슈퍼유저이거나, 행 수준 보안을 건너뛰거나, 테이블의 소유자입니다. 그러면 "
        "코드에 결함이 하나만 있어도 모든 사람의 자료가 보일 수 있습니다. 마당에 따로 역할을 주세요: "
        "CREATE ROLE madang LOGIN PASSWORD '…'; GRANT madang_app TO madang; 소유자의 주소는 `madang migrate`에만 "
        "쓰도록 MADANG_OWNER_DATABASE_URL에 두세요.",
    },
    "running": {
        "en": "Madang is already running here ({folder}): process {pid}, {url}. Open that address, or end it first "
        "with: kill {pid}. For a second Madang set MADANG_DATA_DIR to another folder.",
        "ko": "이 폴더({folder})의 마당이 이미 실행 중입니다: 프로세스 {pid}, {url}. 그 주소를 열거나, 먼저 끝내려면: "
        "kill {pid}. 따로 하나 더 실행하려면 MADANG_DATA_DIR에 다른 폴더를 지정하세요.",
    },
    "port_taken": {
        "en": "Port {port} is taken by another program. End that program, or choose another port: "
        "MADANG_PORT={other} (or MADANG_PORT=0 for any free one).",
        "ko": "{port}번 포트를 다른 프로그램이 쓰고 있습니다. 그 프로그램을 끝내거나 다른 포트를 지정하세요: "
        "MADANG_PORT={other} (빈 포트를 고르려면 MADANG_PORT=0).",
    },
    "port_refused": {
        "en": "Madang may not listen on {host}:{port} ({reason}). Choose a port above 1024 with MADANG_PORT and an "
        "address of this machine with MADANG_HOST.",
        "ko": "{host}:{port}에서 연결을 받을 수 없습니다({reason}). MADANG_PORT에 1024보다 큰 포트를, MADANG_HOST에 이 "
        "컴퓨터의 주소를 지정하세요.",
    },
    "folder_refused": {
        "en": "Madang cannot write to {folder} ({reason}). Start it as the user who owns that folder, or set "
        "MADANG_DATA_DIR to one that you may write to.",
        "ko": "{folder}에 쓸 수 없습니다({reason}). 그 폴더를 소유한 사용자로 시작하거나, 쓸 수 있는 폴더를 "
        "MADANG_DATA_DIR로 지정하세요.",
    },
    "no_model": {
        "en": "There would be no model to answer: MADANG_LOCAL_MODELS is off and neither OPENAI_API_KEY nor "
        "OPENAI_BASE_URL is set. Set one of them, or leave MADANG_LOCAL_MODELS on.",
        "ko": "답할 모델이 없습니다. MADANG_LOCAL_MODELS가 꺼져 있고 OPENAI_API_KEY와 OPENAI_BASE_URL도 없습니다. "
        "둘 중 하나를 지정하거나 MADANG_LOCAL_MODELS를 켜 두세요.",
    },
    "setting": {
        "en": "The setting {name} is not acceptable: {reason}.",
        "ko": "설정 {name}의 값을 쓸 수 없습니다: {reason}.",
    },
    "no_house": {
        "en": "There is no Madang here. Run this in the folder where `madang up` runs, or set DATABASE_URL, VALKEY_URL "
        "and MADANG_SECRET_KEY as its processes have them.",
        "ko": "여기에는 실행 중인 마당이 없습니다. `madang up`을 실행한 폴더에서 다시 실행하거나, DATABASE_URL, "
        "VALKEY_URL, MADANG_SECRET_KEY를 마당의 프로세스와 똑같이 지정하세요.",
    },
    "gave_up": {"en": "Madang could not start. {reason}", "ko": "마당을 시작하지 못했습니다. {reason}"},
}


def language(environment: Mapping[str, str] = os.environ) -> Language:
    """`MADANG_LANG`, else the terminal's language: "ko" or "en"."""
    for name in ("MADANG_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "ko" if environment[name].lower().startswith("ko") else "en"
    return "en"


def say(key: str, **values: object) -> str:
    """The sentence of this key in the language of the terminal, with the values filled in."""
    return WORDS[key][language()].format(**values)
