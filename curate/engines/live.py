"""One live engine per configuration and process."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

__all__ = ["live"]

Config = TypeVar("Config", bound=Hashable)
Running = TypeVar("Running")

STARTING: Final = threading.RLock()  # one at a time; an engine may start another that it wraps
LIVE: Final[dict[Any, Any]] = {}


def live(config: Config, start: Callable[[Config], Running]) -> Running:
    """Return what `start` made of an equal configuration in this process; the first caller makes it, others wait.

    It lives as long as the process. What `start` raises is raised, and the next caller tries again.
    """
    if config not in LIVE:
        with STARTING:
            if config not in LIVE:
                LIVE[config] = start(config)
    running: Running = LIVE[config]
    return running
