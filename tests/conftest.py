"""One local Ray cluster for all tests that need one."""

from pathlib import Path

import pytest


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
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent.parent)}},
    )
    yield
    ray.shutdown()
