"""Every way Curate can fail.

    CurateError
    ├── PlanError        the recipe, its parameters or its inputs cannot work; nothing was started
    ├── ContractError    a stage broke its law (wrong columns, wrong length)
    ├── SourceError      a shard cannot be opened or read at all
    ├── StoreError       the dataset folder cannot be read or written
    ├── BreakerError     a stage fails, or drops, far more often than the pipeline allows
    ├── EngineError      a VLM engine or server cannot start or answer
    └── SampleError      one sample cannot be measured; becomes an error row, never stops a run

A message says what failed, where (shard, key, stage), and what to do about it.
"""

__all__ = [
    "BreakerError",
    "ContractError",
    "CurateError",
    "EngineError",
    "PlanError",
    "SampleError",
    "SourceError",
    "StoreError",
]


class CurateError(Exception):
    """Root of the tree; the CLI prints its message as one sentence and exits with code 2."""


class PlanError(CurateError):
    """The recipe, its parameters or its inputs cannot work; raised before any work starts."""


class ContractError(CurateError):
    """A stage broke its law: wrong columns, wrong type or wrong number of rows."""


class SourceError(CurateError):
    """A shard cannot be opened or read at all."""


class StoreError(CurateError):
    """The dataset folder cannot be read or written."""


class EngineError(CurateError):
    """A VLM engine or server cannot start or answer."""


class BreakerError(CurateError):
    """A stage fails, or drops, far more often than the pipeline's limits allow."""


class SampleError(CurateError):
    """One sample cannot be measured.

    `code` is a short snake_case word that groups errors (`image_truncated`); the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["SampleError"], tuple[str, str]]:
        return type(self), (self.code, self.message)
