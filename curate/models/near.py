"""Say which known names are near an unknown one."""

import difflib
from collections.abc import Collection

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Collection[str], most: int = 3) -> str:
    """Return a clause that names the nearest of `known`, "" if none is near.

    >>> did_you_mean("yolo11q.pt", ["yolo11x.pt", "rtdetr-l.pt"])
    ', did you mean yolo11x.pt?'
    """
    lower = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), list(lower), most, 0.6)
    return f", did you mean {' or '.join(lower[each] for each in near)}?" if near else ""
