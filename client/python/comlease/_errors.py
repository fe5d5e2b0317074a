"""What can go wrong, as exceptions: one class for each error of the interface, and our own.

It decides nothing and talks to nobody. The one idea: all of them are OSErrors with the errno that
the C library gives (comlease.h), so that a program that was written for open() needs no new
`except`.
"""
import errno
import grp
import os
import pwd
from typing import Any, Dict, List, Optional, Type


class ComleaseError(OSError):
    """An error of the broker, or on the way to it.

    str() is a sentence for people: the thing, the reason and, where there is one, the way out.
    name: the error's name in the interface ("io.comlease.Busy"); "" if it arose on this side.
    parameters: its parameters as they came ({"port": "modem0", "holder": {...}}).
    """

    NAME = ""
    ERRNO = errno.EPROTO

    def __init__(
        self,
        message: str,
        parameters: Optional[Dict[str, Any]] = None,
        name: Optional[str] = None,
        error: Optional[int] = None,
    ) -> None:
        super().__init__(self.ERRNO if error is None else error, message)
        self.parameters: Dict[str, Any] = {} if parameters is None else parameters
        self.name = self.NAME if name is None else name

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> Any:  # OSError's own would call __init__ with the errno first
        return type(self), (self.strerror, self.parameters, self.name, self.errno)


class NoSuchPort(ComleaseError):
    """There is no port of that name, or none with that device."""

    NAME, ERRNO = "io.comlease.NoSuchPort", errno.ENOENT


class Busy(ComleaseError):
    """`wait` was 0 and the port was not free."""

    NAME, ERRNO = "io.comlease.Busy", errno.EBUSY


class TimedOut(ComleaseError, TimeoutError):
    """The time to wait is over."""

    NAME, ERRNO = "io.comlease.TimedOut", errno.ETIMEDOUT


class Absent(ComleaseError):
    """The time to wait is over, or was 0, and the device is not there."""

    NAME, ERRNO = "io.comlease.Absent", errno.ENODEV


class OpenFailed(ComleaseError):
    """The device is there and can't be used."""

    NAME, ERRNO = "io.comlease.OpenFailed", errno.EIO


class Revoked(ComleaseError):
    """The lease has been taken back: its token is no longer alive."""

    NAME, ERRNO = "io.comlease.Revoked", errno.ESTALE


class NotHolder(ComleaseError):
    """The token is not a live lease of the caller."""

    NAME, ERRNO = "io.comlease.NotHolder", errno.EPERM


class Deadlock(ComleaseError):
    """The caller would wait for itself."""

    NAME, ERRNO = "io.comlease.Deadlock", errno.EDEADLK


class NoSuchWaiter(ComleaseError):
    """Nobody of that pid or label waits for the port."""

    NAME, ERRNO = "io.comlease.NoSuchWaiter", errno.ESRCH


class NotForeign(ComleaseError):
    """Nobody outside has the port."""

    NAME, ERRNO = "io.comlease.NotForeign", errno.ESRCH


class QueueFull(ComleaseError):
    """As many as the configuration allows wait for this port."""

    NAME, ERRNO = "io.comlease.QueueFull", errno.ENOSPC


class QuotaExceeded(ComleaseError):
    """As many connections of this user, or in all, as the configuration allows."""

    NAME, ERRNO = "io.comlease.QuotaExceeded", errno.EDQUOT


class NotRevocable(ComleaseError):
    """The port can't be taken from its holder."""

    NAME, ERRNO = "io.comlease.NotRevocable", errno.ENOTSUP


class NotAllowed(ComleaseError, PermissionError):
    """The broker's configuration does not allow it, or the permissions of the socket don't."""

    NAME, ERRNO = "org.varlink.service.PermissionDenied", errno.EPERM


class InvalidParameter(ComleaseError):
    """The broker does not accept a value."""

    NAME, ERRNO = "org.varlink.service.InvalidParameter", errno.EINVAL


class NoBroker(ComleaseError, ConnectionError):
    """Nobody listens at the socket."""

    ERRNO = errno.ECONNREFUSED


class BrokerGone(NoBroker):
    """The broker closed the connection in the middle."""

    ERRNO = errno.ECONNRESET


class ProtocolError(ComleaseError):
    """What answers there is no comlease broker."""


def _named(base: Type[ComleaseError]) -> Dict[str, Type[ComleaseError]]:
    return {c.NAME: c for c in base.__subclasses__() if c.NAME}


_CLASSES = _named(ComleaseError)
_UNKNOWN_CALL = ("InterfaceNotFound", "MethodNotFound", "MethodNotImplemented")


def from_reply(name: str, parameters: Dict[str, Any]) -> ComleaseError:
    """The exception for an error reply."""
    cls = _CLASSES.get(name, ComleaseError)
    message = parameters.get("message")
    error = None
    if not isinstance(message, str):
        message = _sentence(name, cls, parameters)
    if name.startswith("org.varlink.service.") and name.rpartition(".")[2] in _UNKNOWN_CALL:
        error = errno.ENOSYS
        message = f"the broker does not know this call ({name}): is it an older one?"
    return cls(message, parameters, name, error)


def _sentence(name: str, cls: Type[ComleaseError], parameters: Dict[str, Any]) -> str:
    if cls is NoSuchPort:
        ports: List[str] = parameters.get("ports") or []
        there = "none is configured, see comlease.conf(5)"
        if ports:
            there = "there are: " + ", ".join(map(str, ports))
        return f"{parameters.get('port', '?')}: no such port; {there}"
    if cls is InvalidParameter:
        return f"the broker does not accept the value of \"{parameters.get('parameter', '?')}\""
    if cls is NotAllowed:
        return "not allowed by the broker's configuration"
    return f"the broker answered with the error {name}"


def from_connect(path: str, error: OSError) -> ComleaseError:
    """The exception for a socket that can't be connected to."""
    code = error.errno
    if code in (errno.EACCES, errno.EPERM):
        return NotAllowed(_no_permission(path), name="", error=errno.EACCES)
    if code in (errno.ENOENT, errno.ENOTDIR):
        return NoBroker(f"{path}: no broker: comleased is not running; start it, see comleased(8)")
    if code in (errno.ECONNREFUSED, errno.EPROTOTYPE):
        return NoBroker(
            f"{path}: no broker: nobody listens there any more; "
            "start comleased again, see comleased(8)"
        )
    if code == errno.EAGAIN:
        return NoBroker(f"{path}: the broker does not accept connections")
    return ComleaseError(f"{path}: {error.strerror or error}", error=code)


def _no_permission(path: str) -> str:
    """The socket, or the folder above it that hides it, and whose it is."""
    nearest = path
    while True:
        try:
            status = os.stat(nearest)
            break
        except OSError:
            if os.path.dirname(nearest) in ("", nearest):
                return f"{path}: no permission"
            nearest = os.path.dirname(nearest)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"{nearest}: no permission: it belongs to uid {status.st_uid}, gid {status.st_gid}"
    return (
        f"{nearest}: no permission: it belongs to group {group} and this process is not in it; "
        f'"sudo adduser {user} {group}", then log in again'
    )
