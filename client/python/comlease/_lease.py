"""A lease as an object: the descriptor, and what can be done with the right that it stands for.

It never waits by itself: the client does. The one idea: the lease is the descriptor. Whatever
closes it (close(), the end of a `with`, the garbage collector, the process's end) gives the port to
the next.
"""
import os
import warnings
from typing import TYPE_CHECKING, Any, Dict, Optional

from ._errors import Revoked
from ._request import OnWait, Request

if TYPE_CHECKING:
    from ._client import Client
    from ._stream import Event, Stream


class Lease:
    """The right to use a port, as long as its descriptor is open. Made by Client.acquire().

    fd: the open device, in raw mode; -1 once closed or detached. close-on-exec.
    port, device: their names. token: the lease's number, for ever. waited: seconds in the queue.
    info: the lease as the interface io.comlease describes it.

    A second open of the port by this process or a descendant joins the lease: it lives until both
    are closed. Once it has been revoked, or the device unplugged, the descriptor reads end-of-file
    and fails with EIO.
    """

    fd = -1  # for __del__, if __init__ fails

    def __init__(self, client: "Client", request: Request, blocking: bool) -> None:
        self._client, self._request, self._blocking = client, request, blocking
        self.info: Dict[str, Any] = {}

    def _fill(self, fd: int, info: Dict[str, Any]) -> None:
        self.fd, self.info = fd, info
        os.set_blocking(fd, self._blocking)

    @property
    def token(self) -> int:
        return int(self.info["token"])

    @property
    def port(self) -> str:
        return str(self.info.get("port", self._request.port))

    @property
    def device(self) -> str:
        return str(self.info.get("device", ""))

    @property
    def waited(self) -> float:
        return float(self.info.get("waited", 0)) / 1000

    @property
    def closed(self) -> bool:
        return self.fd < 0

    def fileno(self) -> int:
        if self.fd < 0:
            raise ValueError(f"the lease of {self.port} is closed")
        return self.fd

    def close(self) -> None:
        """Closes the descriptor, and so ends the lease, unless copies of it are open elsewhere."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def release(self) -> None:
        """Ends the lease although copies of the descriptor may be open elsewhere (in a child that
        does not go): what was written is drained, then they are all cut off."""
        self.close()
        try:
            self._client.call("Release", token=self.token)
        except Revoked:
            pass  # with the last copy it has gone already

    def detach(self) -> int:
        """The descriptor, which is the caller's to close from now on."""
        fd = self.fileno()
        self.fd = -1
        return fd

    def yield_(self, wait: Optional[float] = None, on_wait: Optional[OnWait] = None) -> None:
        """See Client.yield_()."""
        self._client.yield_(self, wait=wait, on_wait=on_wait)

    def watch(self) -> "Stream[Event]":
        """See Client.watch()."""
        return self._client.watch(self.token)

    def set_busy(self, busy: bool = True) -> bool:
        """See Client.set_busy()."""
        return self._client.set_busy(busy, token=self.token)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self.fd >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<comlease.Lease {self.port} token={self.info.get('token')} fd={self.fd}>"
