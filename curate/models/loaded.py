"""One copy of a model for all stages of a process that use the same one."""

import threading
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakValueDictionary

__all__ = ["load_once"]

# Of the process, since a GPU's memory is; it keeps nothing alive: a model goes with the last scorer that holds it.
LOADED: Final[WeakValueDictionary[str, Any]] = WeakValueDictionary()
LOCK: Final = threading.Lock()


def load_once(identity: str, load: Callable[[], Any]) -> Any:
    """Return the object that `load` gives, the same one for every call with this identity while somebody holds it.

    `identity` says which weights these are, in which precision, on which device.

    >>> class Model: pass
    >>> first = load_once("tower on cpu", Model)
    >>> load_once("tower on cpu", Model) is first, load_once("tower on cuda", Model) is first
    (True, False)
    """
    with LOCK:
        found = LOADED.get(identity)
        if found is None:
            found = LOADED[identity] = load()
        return found
