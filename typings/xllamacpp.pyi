# The part of xllamacpp that is used here; its wheel ships no types.

class _Model:
    path: str

class _Threads:
    n_threads: int

class _Sampling:
    temp: float

class CommonParams:
    model: _Model
    model_alias: set[str]
    hostnames: list[str]
    port: int
    offline: bool
    ui: bool
    n_parallel: int
    n_ctx: int
    n_predict: int
    cache_ram_mib: int
    fit_params: bool
    cpuparams: _Threads
    cpuparams_batch: _Threads
    use_jinja: bool
    chat_template: str
    antiprompt: list[str]
    sampling: _Sampling

class Server:
    listening_address: str
    def __init__(self, params: CommonParams) -> None: ...
