import sys
from types import ModuleType

import pytest

from curate.engines.vllm_request import refusals


class Refusal(Exception):
    """What a newer vLLM raises for a request that it cannot take."""


@pytest.mark.parametrize("own", [None, Refusal])
def test_refusals_are_caught_whether_vllm_has_a_class_for_them_or_raises_value_errors(monkeypatch, own):
    vllm = ModuleType("vllm")
    vllm.exceptions = ModuleType("vllm.exceptions")
    if own:
        vllm.exceptions.Refusal = own
    monkeypatch.setitem(sys.modules, "vllm", vllm)

    for raised in (ValueError, KeyError, *([own] if own else [])):
        assert issubclass(raised, refusals("Refusal", KeyError))
    assert not issubclass(TypeError, refusals("Refusal", KeyError))
