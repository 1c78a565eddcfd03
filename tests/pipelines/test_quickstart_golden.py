"""The quickstart, run as the README says, gives the bytes that it gave before; see tests/golden/make.py."""

import json
from pathlib import Path

import pytest

from tests.golden.make import GOLDEN, machine, quickstart_record

EXPECTED = json.loads((GOLDEN / "quickstart.json").read_text())
MAY_DIFFER = 10  # texts, on a processor with other instructions: low-order bits decide between equally likely words

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def record(quickstart_dataset, quickstart_export):
    return quickstart_record(Path(quickstart_dataset), Path(quickstart_export))


@pytest.mark.parametrize("name", ["stages", "verdict", "run"])
def test_the_ids_are_those_of_the_datasets_that_users_have(record, name):
    assert record[name] == EXPECTED[name]


def test_every_sample_meets_the_same_verdict(record):
    changed = differences(record["verdicts"], EXPECTED["verdicts"])

    assert changed == {}, f"of {len(EXPECTED['verdicts'])} samples these have another verdict (now, golden)"


def test_exported_images_are_the_bytes_of_the_source(record):
    assert differences(record["images"], EXPECTED["images"]) == {}


def test_models_write_the_same_texts(record):
    changed = {column: differences(record["texts"][column], texts) for column, texts in EXPECTED["texts"].items()}
    allowed = 0 if machine() == EXPECTED["machine"] else MAY_DIFFER

    assert sum(map(len, changed.values())) <= allowed, f"texts by column and uid (now, golden): {changed}"


def test_the_export_is_the_same_bytes(record):
    if machine() != EXPECTED["machine"]:
        pytest.skip(f"golden bytes are those of {EXPECTED['machine']}, this is {machine()}: floats may differ")
    assert record["export"] == EXPECTED["export"]


def differences(now, golden):
    """Return what differs, as (now, golden) by key; a key that one of them lacks counts."""
    return {key: (now.get(key), golden.get(key)) for key in {*now, *golden} if now.get(key) != golden.get(key)}
