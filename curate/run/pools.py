"""Pools of workers on Ray, one per group of segments: shards flow through them, workers move between them.

The driver holds all queues. A queue costs a name a shard, so an early pool may run ahead: its work is then done, and
the next sizes give its room to the pools that lag behind. Later pools are fed, and get room, first.
"""

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray

from curate.errors import CurateError
from curate.run.cluster import Cluster, Node
from curate.run.placement import Placement, Room
from curate.run.ray_worker import ShardOutcome
from curate.sources.shard import Shard
from curate.stages import Resources

__all__ = ["Finished", "Member", "Pool", "Pools", "Sizing", "last_line"]

TICK_SECONDS = 0.5
SIZING_SECONDS = 2.0
START_SECONDS = 5.0  # of a worker, before one has started
DEATHS_AT_START = 20  # workers of a pool that die one after another before they are ready


@dataclass(slots=True)
class Member:
    """A worker: its actor, the node it was given, the shards it has by the references of their outcomes.

    `needs` are what it was given; `ready` is the reference that says that it has started, null once it has; from then
    on `devices` are the GPUs that Ray chose for it.
    """

    actor: Any
    node: str
    needs: Resources
    ready: Any
    started: float = field(default_factory=time.monotonic)
    tasks: dict[Any, Shard] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    retiring: bool = False


@dataclass(slots=True)
class Pool:
    """The workers of some neighbouring segments, and the shards that wait for them.

    `done` counts the shards that are through, `deaths` the workers that died since the last one was ready, which took
    `start_seconds`.
    """

    indices: tuple[int, ...]
    needs: Resources
    queue: deque[Shard] = field(default_factory=deque)
    members: list[Member] = field(default_factory=list)
    done: int = 0
    deaths: int = 0
    start_seconds: float = START_SECONDS

    @property
    def in_flight(self) -> int:
        return sum(len(member.tasks) for member in self.members)


@dataclass(frozen=True, slots=True)
class Finished:
    """A shard that has left the pool `pool` with so many rows in each of its segments, or was given up there."""

    pool: int
    shard: Shard
    rows: tuple[int, ...]
    given_up: bool


Sizing = Callable[[Sequence[Pool], Cluster], Placement]
"""Returns the placement to aim at, for pools as they are now on nodes as they are now."""


@dataclass(slots=True)
class Pools:
    """Moves shards through the pools in order; `start` makes an actor for a pool on a node, `nodes` looks them up."""

    pools: list[Pool]
    start: Callable[[Pool, str, Resources], Any]
    nodes: Callable[[], dict[str, Node]]
    sizing: Sizing
    have: dict[str, Node] = field(default_factory=dict)
    target: Placement = field(default_factory=Placement)
    sized: float = -SIZING_SECONDS

    def run(self, shards: Sequence[Shard]) -> Iterator[Finished]:
        """Take shards through all pools and yield each as it leaves one; raises what stops the run, in a CurateError.

        A worker that dies, or whose node does, is started again somewhere and its shards are measured again.
        """
        self.pools[0].queue.extend(shards)
        try:
            while any(pool.queue or pool.in_flight for pool in self.pools):
                self._size()
                self._place()
                self._feed()
                yield from self._collect()
        finally:
            for pool in self.pools:
                for member in pool.members:
                    ray.kill(member.actor)

    def _size(self) -> None:
        """Look up the nodes and aim at new sizes, every few seconds and when a pool has run dry."""
        now = time.monotonic()
        if now - self.sized < SIZING_SECONDS:
            return
        self.sized, self.have = now, self.nodes()
        for pool in self.pools:  # an idle worker on a node that is gone would never be missed
            pool.members = [member for member in pool.members if member.tasks or member.node in self.have]
        self.target = self.sizing(self.pools, Cluster(tuple(self.have.values())))

    def _place(self) -> None:
        """Start the workers that are missing, the last pool's first, and retire idle ones in whose place others go."""
        for k, (node, there) in enumerate(self.have.items()):
            held = [[member for member in pool.members if member.node == node] for pool in self.pools]
            room, blocked = _room(there, [member for members in held for member in members]), None
            for i, pool in reversed(list(enumerate(self.pools))):
                needs = replace(pool.needs, cpus=self.target.cpus[i])
                for _ in range(self.target.workers[i][k] - len(held[i])):
                    if not room.fits(needs):
                        blocked = blocked or needs
                        break
                    room.take(needs)
                    actor = self.start(pool, node, needs)
                    pool.members.append(Member(actor, node, needs, actor.prepare.remote()))
            surplus = [len(members) - self.target.workers[i][k] for i, members in enumerate(held)]
            whole = blocked is not None and float(blocked.gpus) >= 1 and room.cpus >= blocked.cpus
            scattered = _on_emptiest(held) if whole and max(surplus) <= 0 else []
            for pool, members, over in zip(self.pools, held, surplus, strict=True):
                self._retire(pool, members, over if blocked else 0, scattered)

    def _retire(self, pool: Pool, members: Sequence[Member], surplus: int, also: Sequence[Member]) -> None:
        """Let so many members end, and those of `also`: idle ones now, busy ones when they are through."""
        for rank, member in enumerate(sorted(members, key=lambda member: len(member.tasks))):
            member.retiring = rank < surplus or any(member is other for other in also)
            if member.retiring and not member.tasks:
                ray.kill(member.actor)
                pool.members.remove(member)

    def _feed(self) -> None:
        """Hand out shards, the last pool's first; a worker gets one more than it works on where many wait."""
        for pool in reversed(self.pools):
            spare = 1 if len(pool.queue) > 2 * len(pool.members) else 0
            for depth in range(pool.needs.shards + spare):
                for member in pool.members:
                    if pool.queue and member.ready is None and len(member.tasks) == depth and not member.retiring:
                        shard = pool.queue.popleft()
                        member.tasks[member.actor.measure.remote(shard)] = shard

    def _collect(self) -> Iterator[Finished]:
        """Wait a moment for what workers have to say, and yield what left a pool."""
        owners = {
            ref: (i, member) for i, pool in enumerate(self.pools) for member in pool.members for ref in _asked(member)
        }
        if not owners:
            time.sleep(TICK_SECONDS / 10)
            return
        if not ray.wait(list(owners), timeout=TICK_SECONDS)[0]:
            return
        for ref in ray.wait(list(owners), num_returns=len(owners), timeout=0)[0]:
            i, member = owners[ref]
            if ref not in _asked(member):  # the worker died, and another of its references said so
                continue
            outcome = self._outcome(i, member, ref)
            if ref in member.tasks and outcome is not None:
                shard = member.tasks.pop(ref)
                self.pools[i].done += 1
                if not outcome.given_up and i + 1 < len(self.pools):
                    self.pools[i + 1].queue.append(shard)
                yield Finished(i, shard, outcome.rows, outcome.given_up)

    def _outcome(self, index: int, member: Member, ref: Any) -> ShardOutcome | None:
        """Return what a worker says, or None if it died: then its shards wait again, at the front."""
        pool = self.pools[index]
        try:
            outcome: ShardOutcome = ray.get(ref)
        except ray.exceptions.RayTaskError:
            raise
        except (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError) as error:
            pool.deaths += member.ready is not None
            most = max(DEATHS_AT_START, 3 * self.target.sizes[index])
            if getattr(error, "actor_init_failed", False) or pool.deaths >= most:
                raise CurateError(f"a worker failed as it started: {last_line(error)}") from error
            ray.kill(member.actor)
            pool.members.remove(member)
            pool.queue.extendleft(reversed(member.tasks.values()))
            member.tasks, member.ready = {}, None
            return None
        if outcome.error is not None:
            raise pickle.loads(outcome.error)
        if member.ready is not None:
            member.ready, member.devices, pool.deaths = None, outcome.devices, 0
            pool.start_seconds = time.monotonic() - member.started
        return outcome


def _room(node: Node, members: Sequence[Member]) -> Room:
    """Return the room that some workers leave on their node; Ray chooses their devices, and tells as they start."""
    room = Room.of(node)
    names = _devices(members)
    for member in sorted(members, key=lambda member: not member.devices):
        room.take(member.needs, devices=[names.index(name) for name in member.devices])
    return room


def _on_emptiest(held: Sequence[Sequence[Member]]) -> list[Member]:
    """Return the workers on the GPU that is shared by the fewest: started again, they fill the holes of others.

    So shares of GPUs that are scattered after some workers have gone do not keep an engine from a whole one.
    """
    members = [member for each in held for member in each if 0 < float(member.needs.gpus) < 1]
    names = _devices(members)
    if len(names) < 2:
        return []
    on = {name: [member for member in members if name in member.devices] for name in names}
    return min(on.values(), key=len)


def _devices(members: Sequence[Member]) -> list[str]:
    return sorted({name for member in members for name in member.devices})


def _asked(member: Member) -> list[Any]:
    return [*member.tasks, *([] if member.ready is None else [member.ready])]


def last_line(error: BaseException) -> str:
    """Return what went wrong in a worker, in one line: the exception that Ray carries, else the end of its own text."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return " ".join(f"{type(cause).__name__}: {cause}".split())[:500]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
