"""A gate drops an artefact and leaves its sample; it is replayed like a filter, and leaves no trace of earlier runs."""

from dataclasses import dataclass, field

import pytest
from rich.console import Console

from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.inspect.funnel import funnel
from curate.inspect.view import open_view
from curate.pipeline import Pipeline
from curate.recipe import build
from curate.recipe.settings import settings
from curate.run.local import measure
from curate.run.runner import RunRequest, run
from curate.sources import find_shards, scan
from curate.stages import Gate, stage_id
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, ShareOfPool, TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", None]


@dataclass(frozen=True)
class Asked(TextLength):
    """Holds an engine, so it begins a segment."""

    adds_name: str = "asked_length"
    engine: FakeEngine = field(default=FakeEngine(str, name="echo"))


def stages(bound, log="", fail=()):
    """A pair with a length, which a gate judges; what is behind it is about the pair, or about the sample."""
    return [
        TextLength(adds_name="pair_length"),
        Gate("pair", AtLeast("pair_length", bound)),
        TextLength(adds_name="pair_more", log=str(log), fail=fail),
        Brightness(),
        Asked(),
        Gate("pair", AtLeast("pair_more", 0)),
        AtLeast("brightness", 0),
    ]


@pytest.fixture
def go(tmp_path):
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)

    def one_run(pipeline_stages, name="out", **options):
        request = RunRequest(
            Pipeline(pipeline_stages), [str(tmp_path / "in")], str(tmp_path / name), **{"local": True, **options}
        )
        return run(request, Console(quiet=True))

    return one_run


def rows(tmp_path, columns="*", name="out"):
    view = open_view(Store(str(tmp_path / name)))
    return view.sql(f"SELECT {columns} FROM samples ORDER BY uid").to_arrow_table().to_pylist()


def log_lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_a_gate_drops_the_pair_and_the_sample_goes_on(tmp_path, go):
    manifest = go(stages(3, tmp_path / "log"))

    found = {row["alt_text"]: row for row in rows(tmp_path)}
    bad, good = found["bb"], found["ccc"]
    assert bad["pair_dropped_by"] == "AtLeast(name='pair_length', bound=3)"
    assert (bad["dropped_by"], bad["error"]) == (None, None)
    assert (bad["pair_length"], bad["pair_more"]) == (2.0, None)
    assert bad["brightness"] is not None
    assert bad["asked_length"] == 2.0
    assert (good["pair_dropped_by"], good["pair_more"]) == (None, 3.0)
    assert len(log_lines(tmp_path / "log")) == 6  # three texts of two shards are long enough
    steps = funnel(Store(str(tmp_path / "out")), manifest)
    assert ("pair dropped by AtLeast(name='pair_length', bound=3)", 6) in steps
    assert ("kept", 12) in steps


def test_another_bound_measures_what_comes_alive_and_nothing_where_less_does(tmp_path, go):
    log = tmp_path / "log"
    go(stages(4, log))
    before = len(log_lines(log))
    lower = go(stages(3, log))
    assert (before, len(log_lines(log))) == (4, 6)
    assert lower.counts["measured"][stage_id(stages(3)[2])]["rows"] == 2

    higher = go(stages(5, log))
    assert higher.counts["measured"] == {}
    assert len(log_lines(log)) == 6


def test_what_earlier_runs_measured_of_a_dropped_artefact_is_not_seen(tmp_path, go):
    """The same recipe gives the same samples, whatever the folder held before, also of what failed before."""
    go(stages(0, fail=("bb",)))
    assert {row["error"] is None for row in rows(tmp_path) if row["alt_text"] == "bb"} == {False}
    go(stages(3))
    go(stages(3), name="fresh")

    assert rows(tmp_path) == rows(tmp_path, name="fresh")
    assert all(row["error"] is None for row in rows(tmp_path))
    assert {row["pair_more"] for row in rows(tmp_path) if row["alt_text"] == "bb"} == {None}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_on_ray_ends_in_the_same_bytes_step_by_step(tmp_path, go):
    for bound in (4, 3, 5, 1):
        for name in ("out", "ray"):
            go(stages(bound), name, local=name == "out")
        here, there = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n / "columns").rglob("*.*")}
                       for n in ("out", "ray"))  # fmt: skip
        assert here == there


def test_measure_in_this_process_gives_what_a_run_gives(tmp_path, go):
    go(stages(3))
    shard = find_shards([str(tmp_path / "in" / "00000.tar")])[0]
    names = ["uid", "pair_length", "pair_more", "pair_dropped_by", "dropped_by", "error"]
    table = measure(Pipeline(stages(3)), scan(shard), shard.name).select(names).to_pylist()

    there = {row["uid"]: row for row in rows(tmp_path, ", ".join(names))}
    assert [there[row["uid"]] for row in table] == table


@pytest.mark.usefixtures("go")
def test_what_a_gate_cannot_tell_is_dropped_as_unmeasured_and_the_sample_stays(tmp_path):
    shard = find_shards([str(tmp_path / "in" / "00000.tar")])[0]
    behind = [TextLength(adds_name="pair_length"), Gate("pair", AtLeast("pair_length", 3)),
               TextLength(adds_name="pair_more"), Gate("other", AtLeast("pair_more", 0)),
               TextLength(adds_name="other_length")]  # fmt: skip
    table = measure(Pipeline(behind), scan(shard), shard.name)

    short = next(row for row in table.to_pylist() if row["alt_text"] == "a")
    assert short["other_dropped_by"] == "unmeasured: AtLeast(name='pair_more', bound=0)"
    assert (short["other_length"], short["dropped_by"], short["error"]) == (None, None, None)


def test_gates_that_cannot_work_are_refused():
    with pytest.raises(PlanError, match="no stage adds a column pears or pears_"):
        Pipeline([TextLength(), Gate("pears", AtLeast("text_length", 3))]).schema()
    with pytest.raises(PlanError, match="needs \\['pair_length'\\]"):
        Pipeline([Gate("pair", AtLeast("pair_length", 3)), TextLength(adds_name="pair_length")]).schema()
    gate = Gate("pair", AtLeast("pair_length", 3))
    with pytest.raises(PlanError, match="put it before"):
        Pipeline([TextLength(adds_name="pair_length"), gate, ShareOfPool(adds_name="pair_share")]).schema()
    with pytest.raises(PlanError, match="such as pair"):
        Gate("a pair", AtLeast("pair_length", 3))


def gated(bound: int = 3) -> Pipeline:
    """A recipe with a gate."""
    return Pipeline([TextLength(adds_name="pair_length"), Gate("pair", AtLeast("pair_length", bound))])


def test_a_path_names_a_gate_by_its_filter():
    assert build(gated, ["at_least.bound=5"])[0].stages[1] == Gate("pair", AtLeast("pair_length", 5))
    assert len(build(gated, ["at_least=none"])[0].stages) == 1
    assert ("at_least.bound", "3") in [(one.path, one.default) for one in settings(gated)]
