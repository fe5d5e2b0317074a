"""A request and its way to a descriptor: asks, takes answers, looks for a broker.

It knows what is sent and nothing of who asks. The one tricky idea: the broker forgets its queue
when it dies, so a request that is sent again carries what is left of its time and how long it has
been waiting in all: that is its old place.
"""
import math
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._errors import BrokerGone, NoBroker, NotAllowed, Revoked, TimedOut
from ._varlink import Connection, Late, Reply

OnWait = Callable[[Dict[str, Any]], object]

_NAME = re.compile(r"[A-Za-z0-9._:@+-]{1,64}")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_GRACE = 2.0  # how much longer than the deadline the broker has for saying that it is over
_LASTING = 2.0  # a connection that lasted so long was a working broker's
# There is no inotify in the standard library: a broker that has gone is looked for at growing
# intervals.
_PAUSE_FIRST, _PAUSE_LAST = 0.005, 0.5


def _check_name(what: str, name: Optional[str]) -> None:
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f"{what}: {name!r} is no name: 1 to 64 of A-Z a-z 0-9 . _ : @ + -")


def check_time(what: str, seconds: Optional[float], least: float = 0) -> None:
    """ValueError if it is not None, nor a number of seconds of at least so many."""
    if seconds is None:
        return
    if not isinstance(seconds, (int, float)) or not math.isfinite(seconds) or seconds < least:
        more = "of more than 0" if least else "of 0 or more"
        raise ValueError(f"{what}: {seconds!r} is no number of seconds {more}")


def milliseconds(seconds: float) -> int:
    """Rounded up, so that no time becomes none."""
    return min(math.ceil(seconds * 1000), 2**53)


@dataclass(frozen=True)
class Request:
    """What is asked for, checked: ValueError names what is wrong. Times are in seconds."""

    port: Optional[str] = None
    device: Optional[str] = None
    rdev: Optional[int] = None
    wait: Optional[float] = None
    class_: Optional[str] = None
    priority: int = 0
    label: Optional[str] = None
    standby: bool = False
    max_hold: Optional[float] = None
    yield_grace: Optional[float] = None
    key: Optional[str] = None

    def __post_init__(self) -> None:
        if (self.port is None) == (self.device is None):
            raise ValueError("a request names either a port or a device")
        _check_name("port", self.port)
        _check_name("class", self.class_)
        _check_name("label", self.label)
        if self.device is not None and not self.device.startswith("/"):
            raise ValueError(f"device: {self.device!r} is no absolute path")
        if self.device is not None:
            self.device.encode()  # UnicodeEncodeError is a ValueError: no path that JSON can carry
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise ValueError("key: not 32 hexadecimal digits")
        if not isinstance(self.priority, int) or not -100 <= self.priority <= 100:
            raise ValueError(f"priority: {self.priority!r} is no whole number from -100 to 100")
        check_time("wait", self.wait)
        check_time("max_hold", self.max_hold, least=0.001)
        check_time("yield_grace", self.yield_grace)

    def parameters(self) -> Dict[str, Any]:
        """As Acquire wants them, without `wait`."""
        parameters: Dict[str, Any] = {"port": self.port, "device": self.device, "rdev": self.rdev}
        parameters.update({"class": self.class_, "label": self.label, "key": self.key})
        parameters = {name: value for name, value in parameters.items() if value is not None}
        if self.priority:
            parameters["priority"] = self.priority
        if self.standby:
            parameters["standby"] = True
        if self.max_hold is not None:
            parameters["maxHold"] = milliseconds(self.max_hold)
        if self.yield_grace is not None:
            parameters["yieldGrace"] = milliseconds(self.yield_grace)
        return parameters


class Wait:
    """One request, from its beginning to its descriptor."""

    def __init__(
        self,
        request: Request,
        paths: List[str],
        reconnect: float,
        on_wait: Optional[OnWait] = None,
        yields: int = 0,
    ) -> None:
        """yields: the token of a lease to let go first; 0: none."""
        self._request, self._paths, self._reconnect = request, paths, reconnect
        self._on_wait, self._yields = on_wait, yields
        self._started = time.monotonic()
        self._deadline = None if request.wait is None else self._started + request.wait
        self._again = False  # the broker has not seen this request from its beginning
        self._asked = self._lost = self._started
        self._losses = 0  # connections that did not last, in a row

    def run(self) -> Tuple[int, Dict[str, Any]]:
        """The descriptor (the caller's to close), the lease. Any exception has left the queue."""
        while True:
            with self._find_broker() as connection:
                try:
                    return self._ask(connection)
                except BrokerGone as error:
                    self._pause_after_loss(error)

    # ---- a broker ----

    def _look_until(self) -> float:
        until = self._lost + self._reconnect
        return until if self._deadline is None else min(until, self._deadline)

    def _find_broker(self) -> Connection:
        pause = _PAUSE_FIRST
        while True:
            try:
                return Connection(self._paths)
            except (NoBroker, NotAllowed) as error:
                # Between its bind() and its chmod() a starting broker refuses.
                final = isinstance(error, NotAllowed) and not self._again
                left = self._look_until() - time.monotonic()
                if final or left <= 0 or self._reconnect == 0:
                    raise
            self._again = True
            time.sleep(min(pause, left))
            pause = min(pause * 2, _PAUSE_LAST)

    def _pause_after_loss(self, error: BrokerGone) -> None:
        """Raises it if there is no time left."""
        now = time.monotonic()
        if now - self._asked >= _LASTING or self._losses == 0:
            self._losses, self._lost = 0, now
        left = self._look_until() - now
        if left <= 0 or self._reconnect == 0:
            raise error
        if self._losses:
            time.sleep(min(0.05 * 2 ** min(self._losses, 5), left))
        self._losses += 1
        self._again = True

    # ---- asking ----

    def _send(self, connection: Connection, streamed: bool) -> Optional[float]:
        """Asks; returns when to give up although the broker has not said so."""
        now = self._asked = time.monotonic()
        if self._yields:  # has no `wait`: the deadline is kept here
            connection.send("Yield", {"token": self._yields}, more=True)
            return self._deadline
        parameters = self._request.parameters()
        if self._deadline is not None:
            parameters["wait"] = milliseconds(max(self._deadline - now, 0))
        if self._again:
            # rounded down: together they are never later than now
            parameters["waited"] = int((now - self._started) * 1000)
            parameters["since"] = int(self._started * 1000)
        connection.send("Acquire", parameters, more=streamed)
        return None if self._deadline is None else self._deadline + _GRACE

    def _ask(self, connection: Connection) -> Tuple[int, Dict[str, Any]]:
        bounded, streamed = bool(self._yields), bool(self._yields or self._on_wait)
        limit = self._send(connection, streamed)
        try:
            reply = self._first_reply(connection, limit)
            self._yields = 0  # that has been done: from here on it is a request like any other
            while streamed and reply.continues:
                if self._on_wait and isinstance(reply.parameters.get("waiting"), dict):
                    self._on_wait(reply.parameters["waiting"])
                reply = connection.receive(limit)
            if streamed and "fd" not in reply.parameters:
                connection.send("Attach", {"token": _lease_of(connection, reply)["token"]})
                reply = connection.receive(limit)
        except Late:
            name = self._request.port or self._request.device
            reason = "the time to wait is over, and the broker is silent"
            if bounded:
                reason = "not back in time"
            raise TimedOut(f"{name}: {reason}", {"port": name}) from None
        lease = _lease_of(connection, reply)
        return connection.take_fd(), lease

    def _first_reply(self, connection: Connection, limit: Optional[float]) -> Reply:
        try:
            return connection.receive(limit)
        except Revoked:
            if not self._yields:
                raise
        self._yields = 0  # it has ended already: it only has to be asked for
        limit = self._send(connection, streamed=True)
        return connection.receive(limit)


def _lease_of(connection: Connection, reply: Reply) -> Dict[str, Any]:
    lease = reply.parameters.get("lease")
    if reply.continues or not isinstance(lease, dict) or not isinstance(lease.get("token"), int):
        raise connection.nonsense()
    return lease
