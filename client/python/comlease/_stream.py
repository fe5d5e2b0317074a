"""What goes on: replies that keep coming on one connection, as an iterator.

It interprets nothing but what it is told to. The one tricky idea: the first reply comes at once,
and is taken when the stream is made: whoever may not have it learns it there, and from then on
nothing is missed.
"""
import time
from collections import deque
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Generic,
    Iterator,
    List,
    NamedTuple,
    Optional,
    TypeVar,
)

from ._varlink import Connection, Late, Reply

T = TypeVar("T")


class Event(NamedTuple):
    """What happens to a lease that is watched.

    event: "yieldWanted" (let go of the port within `left` seconds, or it is taken), "resumed" (no
    longer: go on); and the last ones: "revoked", "unplugged", "ended". Ignore what you don't know.
    reason: "yielded", "preempted", "expired"... asker: who waits ({"pid": 812, "uid": 1000, ...}).
    """

    event: str
    left: Optional[float]
    reason: Optional[str]
    asker: Optional[Dict[str, Any]]
    asker_class: Optional[str]


def events_of_lease(reply: Reply) -> List[Event]:
    p = reply.parameters
    if p.get("event") == "watching":
        return []
    deadline = p.get("deadline")
    left = None if deadline is None else max(deadline / 1000 - time.time(), 0)
    name = p.get("event", "ended")
    return [Event(name, left, p.get("reason"), p.get("asker"), p.get("askerClass"))]


def events_of_ports(reply: Reply) -> List[Dict[str, Any]]:
    return list(reply.parameters.get("events") or [])


class Stream(Generic[T], Iterator[T]):
    """An iterator that waits for what comes next, until all is over. For one thread at a time.

    close() it, or use it in a `with`. BrokerGone: the broker has gone; ask anew when it is back.
    """

    def __init__(self, connection: Connection, convert: Callable[[Reply], List[T]]) -> None:
        self._connection, self._convert = connection, convert
        self._items: Deque[T] = deque()
        self.over = False
        self._take(connection.receive())

    def _take(self, reply: Reply) -> None:
        self._items.extend(self._convert(reply))
        if not reply.continues:
            self.over = True
            self._connection.close()

    def __next__(self) -> T:
        while not self._items:
            if self.over:
                raise StopIteration
            self._take(self._connection.receive())
        return self._items.popleft()

    def get(self, timeout: Optional[float] = None) -> Optional[T]:
        """The next one; None: there was none for `timeout` seconds, or it is all over (`over`)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._items and not self.over:
                self._take(self._connection.receive(deadline))
        except Late:
            return None
        return self._items.popleft() if self._items else None

    def fileno(self) -> int:
        """For select(): call get(0) until it returns None first."""
        return self._connection.fileno()

    def close(self) -> None:
        self.over = True
        self._items.clear()
        self._connection.close()

    def __enter__(self) -> "Stream[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
