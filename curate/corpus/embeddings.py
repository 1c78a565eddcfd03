"""Read columns of embeddings as arrays."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError
from curate.models.device import torch_device
from curate.stages import Resources

__all__ = ["device_of", "one_dimension", "read_vectors"]

DRIVERS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""A machine without one of these has no GPU: it is told without loading torch, which takes seconds."""


def read_vectors(table: pa.Table, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return which rows have an embedding, int64[m], and the embeddings in their own precision, float[m, d].

    Raises ContractError if the column is none of embeddings, or holds those of two models.
    """
    column = table[name].combine_chunks()
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) or not pa.types.is_floating(kind.value_type):
        raise ContractError(f"{name} is {kind}; give a column of embeddings, lists of floats such as clip_embedding")
    rows = np.flatnonzero(np.asarray(column.is_valid()).astype(bool))
    column = column.take(pa.array(rows))
    dims = one_dimension(name, pc.unique(pc.list_value_length(column)).to_pylist())
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return rows, flat.reshape(len(rows), dims)


def one_dimension(name: str, dims: Iterable[int]) -> int:
    """Return the one length that embeddings have, 0 if there are none; raises ContractError if there are several."""
    found = sorted({each for each in dims if each})
    if len(found) > 1:
        lengths = " and of ".join(f"{each:,}" for each in found)
        raise ContractError(
            f"{name} has embeddings of {lengths} numbers: they are of different models and cannot be compared; give "
            "each model a column of its own, such as Clip(prefix='other_')"
        )
    return found[0] if found else 0


def device_of(what: str, resources: Resources) -> str:
    """Return "cuda" where the stage may use a GPU and torch sees one, else "cpu", which needs no torch."""
    hopeless = find_spec("torch") is None or not any(Path(driver).exists() for driver in DRIVERS)
    if not resources.gpus or (resources.gpus == "auto" and hopeless):
        return "cpu"
    import torch

    return torch_device(what, resources.gpus, torch)
