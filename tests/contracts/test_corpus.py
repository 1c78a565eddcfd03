"""Laws of every corpus stage; none is listed here by name."""

import contextlib
import dataclasses
import inspect
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.corpus.tables import measure_tables
from curate.errors import PlanError
from curate.stages import CorpusStage, Expert, Filter, Resources, stage_id, stage_name
from schemas.fields import describe
from tests.contracts.test_experts import HEAVY
from tests.contracts.walk import example, known_columns, stages
from tests.support.images import jpeg

STAGES = stages("curate.corpus", "measure")
every_stage = pytest.mark.parametrize("kind", STAGES, ids=lambda kind: kind.__name__)


TEXTS = ["a dog", "a red barn in the sun", "Ein Hund", "en", "de", ""]


def value(rng, kind, n):
    """Return n values of a type, few of them different, so that there are ties and duplicates; one in six is null."""
    lost = rng.random(n) < 1 / 6
    if pa.types.is_string(kind):
        return pa.array(rng.choice(TEXTS, n), kind, mask=lost)
    if pa.types.is_boolean(kind):
        return pa.array(rng.random(n) < 0.5, kind, mask=lost)
    if pa.types.is_integer(kind):
        return pa.array(rng.integers(0, 5, n), pa.int64(), mask=lost).cast(kind)
    if pa.types.is_floating(kind):
        return pa.array(np.round(rng.uniform(0.1, 1.0, n), 1).astype(kind.to_pandas_dtype()), kind, mask=lost)
    few = rng.integers(0, 4, n).tolist()
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        width = kind.byte_width if pa.types.is_fixed_size_binary(kind) else 8
        rows = [bytes([each]) * width for each in range(4)]
    elif pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        width = kind.list_size if pa.types.is_fixed_size_list(kind) else 8
        rows = [value(rng, kind.value_type, width).fill_null(1).to_pylist() for _ in range(4)]
    else:
        return pa.nulls(n, kind)
    return pa.array([None if gone else rows[each] for each, gone in zip(few, lost, strict=True)], kind)


def rows_of(stage, n, seed, null=False):
    """Return a pool of n rows: uids in no order, and the columns that the stage needs."""
    rng, known = np.random.default_rng(seed), known_columns()
    uids = [f"{i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}" for i in range(1, n + 1)]
    columns = {name: pa.nulls(n, known[name].type) if null else value(rng, known[name].type, n) for name in stage.needs}
    return pa.table({"uid": pa.array(uids, pa.string())} | columns)


def measured(stage, table, shards=1, order=None):
    """Measure a table cut into shards, its rows in some order; return the rows by uid."""
    table = table.take(pa.array(np.arange(len(table)) if order is None else order, pa.int64()))
    cuts = np.linspace(0, len(table), shards + 1).astype(int)
    tables = {f"{i:05d}": table.slice(a, b - a) for i, (a, b) in enumerate(itertools.pairwise(cuts))}
    images = {uid: jpeg() for uid in table["uid"].to_pylist()}
    found = measure_tables(stage, tables, images)
    assert list(found) == list(tables)
    for name, each in tables.items():
        assert found[name]["uid"].to_pylist() == each["uid"].to_pylist()
        assert found[name].schema.names == ["uid", *stage.adds.names, "error_code"]
        assert [found[name].schema.field(field.name).type for field in stage.adds] == stage.adds.types
    return sorted(row for each in found.values() for row in map(repr, each.to_pylist()))


def ready(kind):
    """Return a stage with its defaults, or skip the test if it looks for files that are not part of the project."""
    stage = example(kind)
    try:
        stage.check()
    except PlanError as error:
        pytest.skip(str(error))
    return stage


def moved(stage, resources):
    """Return the stage with other resources, where they are not those of a stage that it holds."""
    own = any(field.name == "resources" and field.init for field in dataclasses.fields(stage))
    return dataclasses.replace(stage, resources=resources) if own else stage


@every_stage
def test_satisfies_the_protocol(kind):
    stage = example(kind)
    assert kind.__dataclass_params__.frozen
    assert isinstance(stage, CorpusStage)
    assert not isinstance(stage, Expert | Filter)
    assert stage.version >= 1
    assert "Source: " in inspect.getdoc(kind)
    with contextlib.suppress(PlanError):
        stage.check()


@every_stage
def test_pickles_to_an_equal_copy_and_placement_is_not_identity(kind):
    stage = example(kind)
    copy = pickle.loads(pickle.dumps(stage))
    assert copy == stage
    assert stage_id(copy) == stage_id(moved(stage, Resources(memory_gib=7))) == stage_id(stage)


@every_stage
def test_documents_what_it_adds_and_needs_what_others_document(kind):
    stage, known = example(kind), known_columns()
    for field in stage.adds:
        assert set(describe(field)) == {"unit", "null", "producer", "doc"}
        assert stage_name(stage) in describe(field)["producer"].split(" or ")
        assert known[field.name].equals(field)
        assert field.nullable
    assert set(stage.needs) <= set(known)
    assert not set(stage.needs) & set(stage.adds.names)


@every_stage
@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 17])
def test_as_many_rows_come_out_as_went_in(kind, rows, null):
    stage = ready(kind)
    assert len(measured(stage, rows_of(stage, rows, 0, null))) == rows


@every_stage
@pytest.mark.timeout(300)  # near-duplicates of 17 shards in no memory: a minute on a busy machine
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), shards=st.sampled_from([1, 3, 17]), gib=st.sampled_from([1e-6, 1.0]))
def test_shards_their_order_and_memory_change_nothing(kind, seed, shards, gib):
    stage = ready(kind)
    table = rows_of(stage, 40, seed)
    order = np.random.default_rng(seed).permutation(len(table))
    small = moved(stage, dataclasses.replace(stage.resources, memory_gib=gib))

    try:
        found = measured(small, table, shards, order)
    except PlanError as error:  # what holds a number per sample says how much that takes
        if "give resources.memory_gib=" not in str(error):
            raise
        found = measured(stage, table, shards, order)
    assert found == measured(stage, table)


@every_stage
def test_what_it_measures_travels_to_other_machines(kind):
    stage, travelled = ready(kind), []
    table = rows_of(stage, 9, 0)

    def through_bytes(shard, rows):
        travelled.append(shard)
        return pickle.loads(pickle.dumps(assign[0]))(shard, rows)

    assign = []
    carrying = Carrying(stage, assign, through_bytes)
    assert measured(carrying, table) == measured(stage, table)
    assert travelled == ["00000"]


@dataclasses.dataclass(frozen=True)
class Carrying:
    """A stage whose result goes through bytes before it is used."""

    stage: object
    assign: list
    through_bytes: object

    def __getattr__(self, name):
        return getattr(self.stage, name)

    def measure(self, pool):
        self.assign.append(self.stage.measure(pool))
        return self.through_bytes


def test_importing_every_corpus_stage_loads_no_heavy_library():
    names = sorted({kind.__module__ for kind in STAGES})
    code = f"import sys, {', '.join(names)}\nprint(sorted(set({(*HEAVY, 'faiss')}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
