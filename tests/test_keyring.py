"""The secrets of a data folder: whatever happens to a rotation, none is lost."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from madang import keyring
from madang.kernel.clock import now
from madang.local.secrets import secret

TURN = """
import sys
from pathlib import Path
from madang import keyring
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with keyring.locked(folder):
    ring = keyring.turn(folder)
    keyring.settle(folder, ())
print(ring.current)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret(tmp_path, keyring.CURRENT)
    return tmp_path


def _ring(folder: Path) -> keyring.Ring:
    ring = keyring.read(folder)
    assert ring is not None
    return ring


def test_a_rotation_that_was_interrupted_goes_on_with_the_secret_that_it_made(folder: Path):
    old = _ring(folder).current
    made = keyring.turn(folder)
    assert (made.secrets[1:], made.is_sealing) == ((old,), True)
    assert keyring.turn(folder) == made == _ring(folder)
    keyring.settle(folder, ())
    assert keyring.turn(folder).secrets[1:] == made.secrets


def test_a_crash_between_the_two_files_is_as_if_nothing_had_begun(folder: Path):
    before = _ring(folder).current
    keyring.turn(folder)
    (folder / "secrets" / keyring.CURRENT).write_text(before)
    assert _ring(folder) == keyring.Ring(before)
    keyring.retire(folder, now())
    again = keyring.turn(folder)
    assert again.secrets[1:] == (before,)
    assert again.current != before


def test_a_secret_retires_once_and_goes_only_when_it_is_dropped(folder: Path):
    for _ in range(3):
        keyring.turn(folder)
        keyring.settle(folder, ())
    moment = now()
    keyring.retire(folder, moment)
    keyring.retire(folder, moment + timedelta(days=1))
    ring = _ring(folder)
    assert [one.retired_at for one in ring.former] == [moment] * 3
    keyring.settle(folder, {ring.former[1].secret})
    assert _ring(folder).secrets == (ring.current, ring.secrets[1], ring.secrets[3])


def test_nothing_retires_while_a_rotation_is_made(folder: Path):
    keyring.turn(folder)
    with keyring.locked(folder):
        keyring.retire(folder, now())
    assert _ring(folder).former[0].retired_at is None


def test_of_eight_rotations_at_the_same_time_none_loses_the_secret_of_another(folder: Path):
    first = _ring(folder).current
    command = [sys.executable, "-c", TURN, str(folder)]
    many = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for one in many:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in many:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    made = {one.communicate()[0].strip() for one in many}
    assert len(made) == 8
    assert set(_ring(folder).secrets) == {first, *made}
    assert len(_ring(folder).secrets) == 9


def test_only_the_owner_may_read_them_and_nothing_shows_them_in_a_log(folder: Path):
    ring = keyring.turn(folder)
    for name in (keyring.CURRENT, keyring.FORMER):
        assert (folder / "secrets" / name).stat().st_mode & 0o077 == 0
    assert not any(one in repr(ring) for one in ring.secrets)
    assert json.loads((folder / "secrets" / keyring.FORMER).read_text())["is_sealing"] is True


def test_a_folder_without_secrets_has_no_ring(tmp_path: Path):
    assert keyring.read(tmp_path) is None
    with pytest.raises(FileNotFoundError):
        keyring.turn(tmp_path)
