"""Random choices per sample, keyed by a hash of (seed, stage, uid): never of worker, order or time."""

import hashlib

__all__ = ["Choices"]


class Choices:
    """A keyed random number generator for one sample; the same `what` always gets the same answer.

    >>> Choices(0, "stage", "u1").fraction("coin") == Choices(0, "stage", "u1").fraction("coin")
    True
    """

    def __init__(self, seed: int, stage: str, uid: str) -> None:
        self.key = hashlib.blake2b(f"{seed}\0{stage}\0{uid}".encode(), digest_size=16).digest()

    def fraction(self, what: str) -> float:
        """Return a number in [0, 1)."""
        return self._integer(what) / 2**64

    def index(self, what: str, count: int) -> int:
        """Return one of 0 to `count` - 1."""
        return self._integer(what) * count >> 64

    def between(self, what: str, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.fraction(what)

    def seed(self, what: str) -> int:
        """Return a seed of 31 bits for an engine's sampling."""
        return self._integer(what) >> 33

    def _integer(self, what: str) -> int:
        return int.from_bytes(hashlib.blake2b(what.encode(), digest_size=8, key=self.key).digest())
