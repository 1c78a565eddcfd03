"""What tests share because it takes long to start: a Ray cluster, an S3 server, a finished quickstart."""

import http.server
import itertools
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import s3 as object_store

ROOT = Path(__file__).parent.parent
SLOW_SECONDS = 600  # for tests that start Ray, an engine or many processes; all others have the 60 s of pyproject.toml


def pytest_collection_modifyitems(items):
    """Give tests that are marked as slow to start the time for it; whichever is first pays for what all share."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("golden", "models", "ray", "recipes", "slow")):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS), append=True)  # an own timeout comes first


@pytest.fixture(scope="session")
def ray_cluster():
    """Start Ray once; runs inside find it initialised and leave it up."""
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        logging_level="error",
        log_to_driver=False,
        object_store_memory=128 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), **object_store.ENVIRONMENT}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def s3_server():
    """Start moto and the proxy in front of it; see tests/support/s3.py."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    server = object_store.Server(moto.get_host_and_port()[1])
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", object_store.PORT), object_store.handler(server))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield server
    proxy.shutdown()
    proxy.server_close()
    moto.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Give the server, in good health, and set the environment that leads to it."""
    for name, value in object_store.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    s3_server.be_well()
    yield s3_server
    s3_server.be_well()


BUCKETS = itertools.count()


@pytest.fixture
def bucket(s3):
    """Make an empty bucket and give its URL."""
    from curate.storage.filesystems import open_filesystem

    name = f"bucket-{next(BUCKETS)}"
    open_filesystem("s3://")[0].mkdir(name)
    s3.be_well()
    return f"s3://{name}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Make a finished dataset, once, for tests that only read it."""
    from tests.support.dataset_folder import make_dataset

    return make_dataset(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def own_folder(tmp_path):
    """Make a finished dataset for a test that changes it, or its source."""
    from tests.support.dataset_folder import make_dataset

    return make_dataset(tmp_path)


@pytest.fixture(scope="session")
def quickstart_dataset(tmp_path_factory):
    """Run the quickstart by the command of the README (two minutes on two cores) and give its dataset folder.

    Tests read it and leave it as it is; a test that changes a dataset copies it first.
    """
    dataset = tmp_path_factory.mktemp("quickstart") / "dataset"
    _curate("run", "quickstart", "--input", "nano/shards/*.tar", "--dataset", dataset)
    return dataset


@pytest.fixture(scope="session")
def quickstart_export(quickstart_dataset):
    """Export the quickstart's samples as webdataset and give the folder of the export."""
    export = quickstart_dataset.with_name("export")
    _curate("export", quickstart_dataset, export, "--to", "webdataset")
    return export


def _curate(*arguments):
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"curate {arguments[0]}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
