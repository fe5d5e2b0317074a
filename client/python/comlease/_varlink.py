"""One connection to the broker: JSON messages that end with a NUL byte, and descriptors.

It knows no method but by name, and waits for nothing but the next message. The one tricky idea: a
descriptor comes with the first byte of its message, so all that have come are kept aside until the
message is complete, and closed with the connection if nobody took them.
"""
import array
import errno
import json
import os
import socket
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ._errors import BrokerGone, ComleaseError, ProtocolError, from_connect, from_reply

INTERFACE = "io.comlease."
SYSTEM_SOCKET = "/run/comlease/comlease.sock"
_REPLY_BYTES_MAX = 16 * 1024 * 1024
_FDS_MAX = 4  # more than any reply has


class Late(Exception):
    """No message until the deadline."""


class Reply(NamedTuple):
    parameters: Dict[str, Any]
    continues: bool


def socket_paths(path: Optional[str]) -> List[str]:
    """Where to look for the broker: the first, and where that does not exist the next."""
    path = path or os.environ.get("COMLEASE_SOCKET")
    if path:
        return [path]
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    own = [os.path.join(folder, "comlease/comlease.sock")] if folder.startswith("/") else []
    return [SYSTEM_SOCKET, *own]


def _connect_to(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # close-on-exec, as all of Python's
    try:
        # A Unix connect() never waits, but for a full backlog: EAGAIN then.
        sock.setblocking(False)
        sock.connect(path)
        return sock
    except BaseException:
        sock.close()
        raise


class Connection:
    """A context manager: leaving it closes the connection, and so leaves a queue."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Connects at once, or raises NoBroker, NotAllowed."""
        first = None
        for path in paths:
            try:
                self._socket = _connect_to(path)
                break
            except OSError as error:
                failed = from_connect(path, error)
                first = first or failed
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise failed from None
        else:
            assert first
            raise first from None
        self.path = path
        self._maker = os.getpid()
        self._data = b""
        self._fds: List[int] = []

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Descriptors that nobody has taken are closed too."""
        while self._fds:
            os.close(self._fds.pop())
        # A child that another thread forked a moment ago may hold a copy of the socket, and the
        # broker has to see at once that nobody waits here any more; but a child must not end its
        # parent's wait.
        if self._socket.fileno() >= 0 and self._maker == os.getpid():
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the broker was first
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, method: str, parameters: Dict[str, Any], more: bool = False) -> None:
        call: Dict[str, Any] = {"method": INTERFACE + method, "parameters": parameters}
        if more:
            call["more"] = True
        self._socket.settimeout(None)
        try:
            self._socket.sendall(json.dumps(call).encode() + b"\0")
        except (BrokenPipeError, ConnectionResetError):
            pass  # a broker that refuses a connection says why before it closes: that is read first

    def receive(self, deadline: Optional[float] = None) -> Reply:
        """The next reply; an error reply is raised. Late: none by deadline (time.monotonic())."""
        while b"\0" not in self._data:
            part = self._receive_part(deadline)
            if not part:
                raise BrokerGone(f"{self.path}: the broker has gone")
            self._data += part
            if len(self._data) > _REPLY_BYTES_MAX:
                raise self.nonsense()
        text, _, self._data = self._data.partition(b"\0")
        try:
            message = json.loads(text)
            parameters, error = message.get("parameters") or {}, message.get("error")
        except (ValueError, AttributeError, RecursionError):
            raise self.nonsense() from None
        if not isinstance(parameters, dict) or not isinstance(error, (str, type(None))):
            raise self.nonsense()
        if error is not None:
            raise from_reply(error, parameters)
        return Reply(parameters, message.get("continues") is True)

    def has_message(self) -> bool:
        """Is a whole message there already?"""
        return b"\0" in self._data

    def take_fd(self) -> int:
        """The one descriptor that came with the last reply: the caller's to close."""
        if len(self._fds) != 1:
            raise self.nonsense()
        return self._fds.pop()

    def nonsense(self) -> ProtocolError:
        return ProtocolError(f"{self.path}: what answers there is no comlease broker")

    def _receive_part(self, deadline: Optional[float]) -> bytes:
        # With 0 it does not wait, and has what is there.
        self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0))
        room = socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize)
        try:
            part, ancillary, flags, _ = self._socket.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, socket.timeout):
            raise Late from None
        except ConnectionResetError:
            return b""
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                self._fds.extend(fds)
        if flags & socket.MSG_CTRUNC:  # the lease's descriptor came, and is lost: so is the lease
            raise ComleaseError("this process may open no more descriptors", error=errno.EMFILE)
        return part
