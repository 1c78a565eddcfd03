"""What the tests of the trainers' loaders share: exports as a user makes them, and what must come out of them.

They run in a consumer's environment (`make test-consumers`); exports are made by the main one, as typed.
"""

import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATASET = ROOT / "build" / "consumers" / "dataset"
CURATE = ROOT / ".venv" / "bin" / "curate"


@dataclass(frozen=True)
class Sample:
    """A kept sample of the run: bytes of its image in the source, and its row of the run's columns."""

    image: bytes
    row: dict


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(300), append=True)


@pytest.fixture(scope="session")
def samples() -> dict[str, Sample]:
    """Return the kept samples of the run by uid; images are read from the source by tarfile, not by our code."""
    from curate.inspect.query import query
    from curate.storage.store import Store

    kept = "SELECT * FROM samples WHERE dropped_by IS NULL AND error IS NULL"
    tars = {path.stem: _contents(path) for path in (ROOT / "nano" / "shards").glob("*.tar")}
    found = {}
    for row in query(Store(str(DATASET)), kept).to_pylist():
        (contents,) = (tar for stem, tar in tars.items() if stem in row["shard"])
        (offset,) = {member["offset"] for member in row.pop("members") if member["name"] == row["image_member"]}
        found[row["uid"]] = Sample(contents[offset], row)
    return found


def _contents(path: Path) -> dict[int, bytes]:
    """Return the files of a tar by their offset; names come twice in the nano world, as they do on the web."""
    with tarfile.open(path) as tar:
        return {member.offset_data: tar.extractfile(member).read() for member in tar if member.isfile()}


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Return a function that exports the run as a user types it, once for the same words, and gives the folder."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*words: str) -> Path:
        if words not in made:
            made[words] = tmp_path_factory.mktemp("export") / "out"
            command = [str(CURATE), "export", str(DATASET), str(made[words]), *words]
            alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            done = subprocess.run(command, env=alone, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return made[words]

    return make
