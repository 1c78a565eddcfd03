"""What must hold for every filter; `LAWS` is applied to each class that the walk finds."""

import ast
import dataclasses
import doctest
import inspect
import pickle
import sys

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.stages import Filter
from tests.contracts.walk import example, known_columns

COLUMNS = known_columns()


def values(kind: pa.DataType) -> st.SearchStrategy:
    """Return a strategy for plausible values of an Arrow type."""
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_integer(kind):
        return st.integers(0, 2000)
    if pa.types.is_floating(kind):
        return st.floats(0, 1, width=16)
    if pa.types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    return st.sampled_from(["", "en", "de", "url", "hedging", "boilerplate", "a dog in a park", "jpeg"])


def schema(rule: Filter) -> pa.Schema:
    return pa.schema([pa.field(name, COLUMNS[name].type) for name in rule.needs])


def tables(rule: Filter) -> st.SearchStrategy:
    """Return a strategy for tables of what the filter needs, nulls included."""
    columns = {field.name: st.none() | values(field.type) for field in schema(rule)}
    rows = st.lists(st.fixed_dictionaries(columns), max_size=12)
    return rows.map(lambda rows: pa.Table.from_pylist(rows, schema=schema(rule)))


def is_a_frozen_dataclass_with_defaults(kind: type) -> None:
    rule = example(kind)
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert isinstance(rule, Filter)
    assert rule == example(kind)
    assert hash(rule) == hash(example(kind))


def pickles_to_an_equal_copy(kind: type) -> None:
    rule = example(kind)
    copy = pickle.loads(pickle.dumps(rule))
    assert copy == rule
    assert repr(copy) == repr(rule)


def needs_columns_that_a_schema_documents(kind: type) -> None:
    needs = example(kind).needs
    assert isinstance(needs, tuple)
    assert needs
    assert set(needs) <= set(COLUMNS)


def keeps_nothing_of_an_empty_table(kind: type) -> None:
    rule = example(kind)
    assert rule.keep(schema(rule).empty_table()).to_pylist() == []


def calls_an_unmeasured_row_null(kind: type) -> None:
    rule = example(kind)
    row = dict.fromkeys(rule.needs)
    assert rule.keep(pa.Table.from_pylist([row, row], schema=schema(rule))).to_pylist() == [None, None]


def answers_each_measured_row_alone(kind: type) -> None:
    """Pure, one bool a row, null only where something is unmeasured, whatever the order, the chunks and the slice."""
    rule = example(kind)

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        table = data.draw(tables(rule))
        before = table.to_pylist()
        kept = rule.keep(table)
        assert kept.type == pa.bool_()
        answers = kept.to_pylist()
        assert len(answers) == len(before)
        assert table.to_pylist() == before
        assert rule.keep(table).to_pylist() == answers
        assert all(answer is not None for answer, row in zip(answers, before, strict=True) if None not in row.values())
        order = data.draw(st.permutations(range(len(before))))
        moved = table.take(pa.array(order, pa.int64()))
        assert rule.keep(moved).to_pylist() == [answers[i] for i in order]
        cut = data.draw(st.integers(0, len(before)))
        assert rule.keep(pa.concat_tables([table[:cut], table[cut:]])).to_pylist() == answers
        assert rule.keep(table[cut:]).to_pylist() == answers[cut:]

    check()


def names_its_source_and_shows_itself(kind: type) -> None:
    text = inspect.getdoc(kind) or ""
    assert "Source: " in text
    tests = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs=vars(sys.modules[kind.__module__]))
    assert any(test.examples for test in tests)
    assert sum(doctest.DocTestRunner(verbose=False).run(test).failed for test in tests) == 0


def reads_no_more_than_columns(kind: type) -> None:
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = set(sys.stdlib_module_names) - {"os", "random", "time", "socket", "subprocess", "urllib", "datetime"}
    assert {name.partition(".")[0] for name in imported} <= allowed | {"pyarrow", "schemas", "filters"}


LAWS = [
    is_a_frozen_dataclass_with_defaults,
    pickles_to_an_equal_copy,
    needs_columns_that_a_schema_documents,
    keeps_nothing_of_an_empty_table,
    calls_an_unmeasured_row_null,
    answers_each_measured_row_alone,
    names_its_source_and_shows_itself,
    reads_no_more_than_columns,
]
