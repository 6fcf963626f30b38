"""The whole of Madang by one command: it comes up, comes back, says what is wrong, and leaves nothing running."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from madang import keyring
from tests.local.deadline import alive, until

MADANG = [sys.executable, "-P", "-m", "madang.cli"]
READY = "Madang is ready at "
pytestmark = pytest.mark.timeout(240)


@dataclass
class Up:
    """One `madang up`, with its model elsewhere: the built-in ones have tests of their own."""

    folder: Path
    port: int = 0
    more: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "VALKEY_URL"}}
        own = {"MADANG_DATA_DIR": str(self.folder), "MADANG_PORT": str(self.port), "MADANG_LOCAL_MODELS": "false"}
        model = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        return {**kept, "MADANG_LANG": "en", **own, **model, **self.more}

    def start(self) -> str:
        self.process = subprocess.Popen(
            [*MADANG, "up"], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
        pytest.fail("it did not become ready:\n" + "\n".join(self.lines))

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MADANG, "up"], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def send(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode

    def family(self) -> dict[str, int]:
        """Process ids of everything it started, by name."""
        assert self.process is not None
        found: dict[str, int] = {}
        for pid in below(self.process.pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            name = next((word for word in words if word.startswith("madang.")), Path(words[0]).name)
            found[name.removeprefix("madang.processes.")] = pid
        return found


def below(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture
def up(folder: Path) -> Iterator[Up]:
    one = Up(folder)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.send(signal.SIGTERM)
    elif one.process is not None and one.process.stdout is not None:
        one.process.stdout.close()


def health(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        return json.load(answer)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_one_address_and_ends_everything_when_asked(up: Up, number: signal.Signals):
    url = up.start()
    assert health(url)["services"] == {
        "database": "healthy",
        "valkey": "healthy",
        "worker": "healthy",
        "models": "unavailable",
    }
    assert len([line for line in up.lines if line.startswith(READY)]) == 1
    until(lambda: {"api", "worker", "scheduler", "postgres", "valkey-server"} <= set(up.family()))
    family = up.family()
    assert up.send(number) == 0
    assert [name for name, pid in family.items() if alive(pid)] == []


def test_after_a_kill_the_next_one_recovers_without_help(up: Up):
    dice = random.Random(20)
    up.start()
    family = list(up.family().values())
    for pid in dice.sample(family, 2):
        os.kill(pid, signal.SIGSTOP)
    up.send(signal.SIGKILL)
    heir = Up(up.folder)
    try:
        assert is_ready(heir.start())
        until(lambda: not any(alive(pid) for pid in family))
    finally:
        heir.send(signal.SIGTERM)


def test_every_part_that_dies_comes_back(up: Up):
    url = up.start()
    until(lambda: "scheduler" in up.family(), 60)
    for name in ("postgres", "valkey-server", "worker", "api", "scheduler"):
        old = up.family()[name]
        os.kill(old, signal.SIGKILL)
        until(lambda: up.family().get(name, old) != old)  # noqa: B023  # used within this turn only
        until(lambda: is_ready(url), 90)
    assert up.process is not None
    assert up.process.poll() is None


def test_a_second_one_says_that_and_where_the_first_one_runs(up: Up):
    url = up.start()
    assert up.process is not None
    second = Up(up.folder).run()
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert url in second.stderr
    assert f"kill {up.process.pid}" in second.stderr
    assert is_ready(url)


def test_a_taken_port_is_told_with_the_mend(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = Up(folder, port).run()
        korean = Up(folder, port, {"MADANG_LANG": "ko_KR.UTF-8"}).run()
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
    assert "MADANG_PORT=" in done.stderr
    assert f"{port}번 포트" in korean.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("MADANG_PORT", "eighty"), ("MADANG_PORT", "70000"), ("MADANG_STOP_SECONDS", "-1")]
)
def test_a_senseless_setting_is_told_by_its_name(folder: Path, name: str, value: str):
    done = Up(folder, more={name: value}).run()
    assert done.returncode == 1
    assert f"The setting {name} is not acceptable" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_start_tells_where_the_first_account_is_made_and_later_ones_do_not(tmp_path: Path):
    up = Up(tmp_path)
    try:
        url = up.start()
        assert up.process is not None
        assert up.process.stdout is not None
        told, _, token = up.process.stdout.readline().strip().partition("#")
        assert told == f"Make the supervisor's account here, once: {url}/setup"
        post(f"{url}/api/v1/auth/register", email="first@example.org", password="courtyard rain 7", setup_token=token)
        up.send(signal.SIGTERM)
        up.start()
        assert up.process.stdout.readline().startswith("Ctrl-C")
    finally:
        if up.process is not None and up.process.poll() is None:
            up.send(signal.SIGTERM)


def test_without_any_model_it_does_not_pretend_to_start(folder: Path):
    done = Up(folder, more={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}).run()
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stderr


def test_a_folder_that_cannot_be_written_is_told_with_the_mend(tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    done = Up(tmp_path / "file").run()
    assert done.returncode == 1
    assert "cannot write to" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_finds_the_running_one(up: Up):
    url = up.start()
    until(lambda: "scheduler" in up.family())
    done = subprocess.run(
        [*MADANG, "doctor", "--json"], env=up.environment, capture_output=True, text=True, timeout=60, check=False
    )
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert url in findings["madang up"]["seen"]
    assert findings["PostgreSQL"]["ok"]
    assert findings["Valkey"]["ok"]
    assert findings["api"]["ok"]


def test_a_rotation_signs_nobody_out_before_and_after_the_restart(up: Up):
    url = up.start()
    account = {"email": "keys@example.org", "password": "courtyard rain 7"}
    command = [*MADANG, "admin", "create-supervisor", account["email"], "--password", account["password"]]
    subprocess.run(command, env=up.environment, check=True, capture_output=True)
    first = post(f"{url}/api/v1/auth/login", **account)
    for kept in (1, 2):
        command = [*MADANG, "admin", "rotate-keys", "--json"]
        told = subprocess.run(command, env=up.environment, check=True, capture_output=True, text=True)
        assert json.loads(told.stdout)["kept"] == kept
    second = post(f"{url}/api/v1/auth/refresh", refresh_token=first["refresh_token"])
    up.send(signal.SIGTERM)
    url = up.start()
    third = post(f"{url}/api/v1/auth/refresh", refresh_token=second["refresh_token"])
    assert third["access_token"].split(".")[0] != second["access_token"].split(".")[0], "another key signs now"
    ring = keyring.read(up.folder)
    assert ring is not None
    assert [one.retired_at is not None for one in ring.former] == [True, True]


def post(url: str, **body: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        told: dict[str, str] = json.load(answer)
        return told
