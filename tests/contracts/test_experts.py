import contextlib
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import PlanError, SampleError
from curate.models.needed import needed_of
from curate.stages import Batch, Expert, Measurement, Resources, stage_id, stage_name
from schemas.fields import describe
from tests.contracts.walk import example, known_columns, stages
from tests.support.images import image, jpeg

EXPERTS = stages("curate.experts", "load")
HEAVY = ("torch", "open_clip", "ultralytics", "paddleocr", "onnxruntime", "vllm", "transformers", "ray", "cv2")
every_expert = pytest.mark.parametrize("kind", EXPERTS, ids=lambda kind: kind.__name__)


@every_expert
def test_satisfies_the_protocol(kind):
    expert = example(kind)
    assert kind.__dataclass_params__.frozen
    assert isinstance(expert, Expert)
    assert isinstance(expert.version, int)
    assert expert.version >= 1
    assert expert.pixels is None or expert.pixels >= 0
    assert "Source: " in inspect.getdoc(kind)


@every_expert
def test_pickles_to_an_equal_copy_of_the_same_identity(kind):
    expert = example(kind)
    copy = pickle.loads(pickle.dumps(expert))
    assert copy == expert
    assert stage_id(copy) == stage_id(expert)


@every_expert
def test_placement_is_not_identity(kind):
    expert = example(kind)
    if not any(field.name == "resources" and field.init for field in dataclasses.fields(kind)):
        pytest.skip("its resources follow from its engine")
    moved = dataclasses.replace(expert, resources=Resources(cpus=7, gpus=0.5, batch_rows=3))
    assert stage_id(moved) == stage_id(expert)


@every_expert
def test_documents_what_it_adds_and_needs_what_others_document(kind):
    expert = example(kind)
    known = known_columns()
    assert isinstance(expert.adds, pa.Schema)
    assert len(expert.adds) > 0
    for field in expert.adds:
        assert set(describe(field)) == {"unit", "null", "producer", "doc"}
        assert describe(field)["producer"] == stage_name(expert)
        assert known[field.name].equals(field)
        assert field.nullable  # a sample that could not be measured is null
    assert set(expert.needs) <= set(known)
    assert not set(expert.needs) & set(expert.adds.names)


def test_no_two_experts_add_the_same_column():
    count = Counter(name for kind in EXPERTS for name in example(kind).adds.names)
    assert [name for name, times in count.items() if times > 1] == []


@every_expert
def test_check_is_quiet_or_a_plan_error(kind):
    with contextlib.suppress(PlanError):
        example(kind).check()


@every_expert
@pytest.mark.parametrize("rows", [1, 2])
def test_rows_of_nulls_give_as_many_rows_of_the_documented_types(kind, rows):
    expert = example(kind)
    if needed_of(expert):
        pytest.skip("its default weights are not part of the project: see its own tests")
    known = known_columns()
    table = pa.table(
        {"uid": [f"{i:032x}" for i in range(rows)]} | {name: pa.nulls(rows, known[name].type) for name in expert.needs}
    )
    images = [np.asarray(image())] * rows if expert.pixels is not None else []
    measured = expert.load()(Batch(table, [jpeg()] * rows, images))
    assert isinstance(measured, Measurement)
    assert set(measured.columns) == set(expert.adds.names)
    errors = measured.errors or [None] * rows
    assert len(errors) == rows
    assert all(error is None or isinstance(error, SampleError) for error in errors)
    for field in expert.adds:
        column = measured.columns[field.name]
        assert len(column) == rows
        assert len(pa.array(column, field.type)) == rows


def test_importing_every_expert_loads_no_model_library():
    names = sorted({kind.__module__ for kind in EXPERTS})
    code = f"import sys, {', '.join(names)}\nprint(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
