"""The methods of the interface as methods of a class.

It holds no connection: each call makes its own, as the protocol wants, so there is nothing to share
between threads and nothing to close.
"""
import os
import stat
from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar

from ._lease import Lease
from ._request import OnWait, Request, Wait, check_time
from ._stream import Event, Stream, events_of_lease, events_of_ports
from ._varlink import Connection, Reply, socket_paths

T = TypeVar("T")


class Client:
    """A broker, by its socket: any number of threads may use one at the same time.

    socket: its path; None: $COMLEASE_SOCKET, else /run/comlease/comlease.sock, else (where that
    does not exist) $XDG_RUNTIME_DIR/comlease/comlease.sock.
    reconnect: how many seconds a request that waits looks for a broker that has gone, or is not
    there yet; it keeps its place. 0: not at all.

    All methods raise a ComleaseError (NoBroker, NotAllowed, Revoked, ...), which is an OSError, and
    ValueError for what could never be right. Times are in seconds.
    """

    def __init__(self, socket: Optional[str] = None, *, reconnect: float = 30.0) -> None:
        check_time("reconnect", reconnect)
        self._paths = socket_paths(socket)
        self._reconnect = reconnect

    # ---- leases ----

    def acquire(
        self,
        port: Optional[str] = None,
        *,
        device: Optional[str] = None,
        wait: Optional[float] = None,
        class_: Optional[str] = None,
        priority: int = 0,
        label: Optional[str] = None,
        standby: bool = False,
        max_hold: Optional[float] = None,
        yield_grace: Optional[float] = None,
        key: Optional[str] = None,
        on_wait: Optional[OnWait] = None,
        blocking: bool = True,
    ) -> Lease:
        """Waits for a port and returns its lease.

        port         its name, or that of a pool; or
        device       the absolute path of its device
        wait         how long; 0: not at all (Busy); None: as long as it takes. Afterwards:
                     TimedOut, or Absent
        class_       the kind of work
        priority     -100..100
        label        what to call this work in `comlease status`
        standby      it gives way when somebody else waits: watch() it, and yield_() when asked
        max_hold     how long the lease may last
        yield_grace  how long from being asked to let go to losing the port
        key          32 hexadecimal digits: whoever shows the holder's joins his lease
        on_wait      is called, in this thread, with why it waits whenever that changes: a
                     dictionary with port, device, state, ahead (how many are before this
                     request), holder... (io.comlease's Waiting). It has to return within 5
                     seconds, or a lease that is granted meanwhile is lost
        blocking     False leaves O_NONBLOCK set

        Any exception, KeyboardInterrupt and those of on_wait too, leaves the queue.
        """
        rdev = None if device is None else _rdev_of(device)
        request = Request(
            port, device, rdev, wait, class_, priority, label, standby, max_hold, yield_grace, key
        )
        lease = Lease(self, request, blocking)
        lease._fill(*Wait(request, self._paths, self._reconnect, on_wait).run())
        return lease

    def yield_(
        self, lease: Lease, *, wait: Optional[float] = None, on_wait: Optional[OnWait] = None
    ) -> None:
        """Gives a standby lease to whoever waits, and waits until nobody else wants the port.

        Then the same object has a new descriptor and a new token (and, of a pool, perhaps another
        port). It is asked for as it was acquired, but for `wait`. An exception leaves it closed. A
        lease that has ended is simply acquired anew.
        """
        check_time("wait", wait)
        request = Request(**{**vars(lease._request), "wait": wait})
        lease.close()
        lease._fill(*Wait(request, self._paths, self._reconnect, on_wait, lease.token).run())

    def watch(self, token: int) -> "Stream[Event]":
        """What happens to a lease from now on: an iterator of Event, until the lease is over."""
        return self._stream("Watch", {"token": token}, events_of_lease)

    def set_busy(
        self, busy: bool = True, *, token: Optional[int] = None, port: Optional[str] = None
    ) -> bool:
        """A standby holder is in a call, and not to be asked to give way; or no longer. False: that
        is no standby lease, and it means nothing."""
        if (token is None) == (port is None):
            raise ValueError("set_busy() names either a token or a port")
        reply = self.call("SetBusy", token=token, port=port, busy=busy)
        return reply.get("standby") is True

    def revoke(
        self, port: str, *, token: Optional[int] = None, reason: Optional[str] = None
    ) -> int:
        """Takes a port back from its holder at once; with token, only if that lease still holds.
        The token of the lease that has ended."""
        return int(self.call("Revoke", port=port, token=token, reason=reason)["token"])

    # ---- ports ----

    def list(self, ports: Optional[Sequence[str]] = None) -> List[Dict[str, Any]]:
        """The ports, all or those named, as the interface describes them (io.comlease's Port: name,
        device, state, lease, waiters...; times there are milliseconds since 1970)."""
        reply = self.call("List", ports=None if ports is None else list(ports))
        return list(reply.get("ports") or [])

    def pools(self) -> Dict[str, List[str]]:
        """The names of the ports of each pool."""
        return {pool["name"]: pool["ports"] for pool in self.call("List").get("pools") or []}

    def monitor(self, ports: Optional[Sequence[str]] = None) -> "Stream[Dict[str, Any]]":
        """Everything that happens on all ports, or on those named, from now on: an iterator of
        dictionaries (io.comlease's Event: event, port, token, owner, reason...)."""
        parameters = {} if ports is None else {"ports": list(ports)}
        return self._stream("Monitor", parameters, events_of_ports)

    # ---- anything ----

    def call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """Any method of the interface that has one reply: call("Disable", port="modem0"). What is
        None is left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        with Connection(self._paths) as connection:
            connection.send(method, given)
            return connection.receive().parameters

    def _stream(
        self, method: str, parameters: Dict[str, Any], convert: Callable[[Reply], List[T]]
    ) -> "Stream[T]":
        connection = Connection(self._paths)
        try:
            connection.send(method, parameters, more=True)
            return Stream(connection, convert)
        except BaseException:
            connection.close()
            raise


def _rdev_of(device: str) -> Optional[int]:
    """The device's number: the broker may know it by another path."""
    try:
        status = os.stat(device)
    except (OSError, ValueError):
        return None
    return status.st_rdev if stat.S_ISCHR(status.st_mode) else None
