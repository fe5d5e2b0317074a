"""comlease:// URLs for pyserial: opening such a port waits for it, closing it releases it.

    comlease://PORT[?NAME=VALUE[&NAME=VALUE]...]

PORT is a port's name or a pool's; `comlease:///dev/ttyUSB0` names a port by its device. The
parameters, percent-encoded where need be; times are in seconds:

    wait         0: fail at once if the port is not free; left out or `forever`: as long as it takes
    class, priority, label, max_hold     as in comlease.Client.acquire()
    reconnect    how long to look for a broker that is not there (30)
    socket       the broker's, if it is not in its usual place

Where comlease is installed pyserial finds this by itself. From a source tree, with
PYTHONPATH=client/python, `import comlease.serial` registers it. The one idea: everything but open()
is pyserial's own, on the leased descriptor.
"""
import errno
import os
import termios
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from typing import Any, Callable, Dict, Optional, Tuple
from urllib.parse import unquote

import serial

from ._client import Client
from ._errors import ComleaseError
from ._lease import Lease
from ._request import Request, check_time

_SCHEME = "comlease"
_HOW = "write comlease://PORT, see `comlease status` for the ports"


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of seconds (30, 0.5)") from None


def _seconds_or_forever(text: str) -> Optional[float]:
    return None if text == "forever" else _seconds(text)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number") from None


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no absolute path")
    return text


# URL parameter -> (is it the request's, or the client's?, its name there, what reads it)
_PARAMETERS: Dict[str, Tuple[bool, str, Callable[[str], Any]]] = {
    "class": (True, "class_", str),
    "wait": (True, "wait", _seconds_or_forever),
    "priority": (True, "priority", _whole),
    "label": (True, "label", str),
    "max_hold": (True, "max_hold", _seconds),
    "reconnect": (False, "reconnect", _seconds),
    "socket": (False, "socket", _path),
}


def parse_url(url: str) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What to give to Client() and to its acquire(). ValueError: what is wrong, what is right."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != _SCHEME:
        raise ValueError(f"{url!r} is no comlease:// URL: {_HOW}")
    place, _, query = rest.partition("?")
    client: Dict[str, Any] = {}
    request: Dict[str, Any] = {}
    for field in filter(None, query.split("&")):
        name, _, text = field.partition("=")
        if name not in _PARAMETERS:
            known = ", ".join(_PARAMETERS)
            raise ValueError(f"{url}: unknown parameter {name!r}; there are: {known}")
        for_request, argument, read = _PARAMETERS[name]
        arguments = request if for_request else client
        if argument in arguments:
            raise ValueError(f"{url}: {name} is given twice")
        try:
            arguments[argument] = read(unquote(text, errors="strict"))
        except ValueError as error:
            raise ValueError(f"{url}: {name}: {error}") from None
    try:
        place = unquote(place, errors="strict")
        if not place.strip("/"):
            raise ValueError(f"names no port: {_HOW}")
        request["device" if place.startswith("/") else "port"] = place.rstrip("/")
        check_time("reconnect", client.get("reconnect"))
        Request(**request)
    except ValueError as error:
        raise ValueError(f"{url}: {error}") from None
    return client, request


class Serial(serial.Serial):  # type: ignore[misc]
    """pyserial's Serial on a leased port. lease: the Lease while it is open (token, device, waited,
    watch()), without its descriptor, which is this object's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._client_arguments: Dict[str, Any] = {}
        self._request_arguments: Dict[str, Any] = {}
        self.lease: Optional[Lease] = None
        super().__init__(*args, **kwargs)

    @property
    def port(self) -> Optional[str]:
        return super().port  # type: ignore[no-any-return]

    @port.setter
    def port(self, url: Optional[str]) -> None:
        if isinstance(url, str):
            self._client_arguments, self._request_arguments = parse_url(url)
        serial.Serial.port.fset(self, url)  # reopens it if it is open

    def open(self) -> None:
        """Waits for the port and sets it up. SerialException: the broker's sentence."""
        if self._port is None:
            raise serial.SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise serial.SerialException("Port is already open.")
        client = Client(**self._client_arguments)
        try:
            self.lease = client.acquire(blocking=False, **self._request_arguments)
        except ComleaseError as error:
            place = self._port.partition("?")[0]
            message = f"could not open port {place}: {error}"
            raise serial.SerialException(error.errno, message) from error
        self.fd = self.lease.detach()
        pipes = []
        try:
            self._set_up_line()
            for name in ("pipe_abort_read", "pipe_abort_write"):  # of cancel_read(), cancel_write()
                ends = os.pipe()
                pipes += ends
                os.set_blocking(ends[0], False)
                setattr(self, name + "_r", ends[0])
                setattr(self, name + "_w", ends[1])
        except BaseException:
            for fd in (self.fd, *pipes):
                os.close(fd)
            self.fd = self.lease = None
            raise
        self.is_open = True

    def _set_up_line(self) -> None:
        """What pyserial does to a device that it has just opened."""
        self._reconfigure_port(force_update=True)
        try:
            if not self._dsrdtr:
                self._update_dtr_state()
            if not self._rtscts:
                self._update_rts_state()
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):  # a pty has no modem lines
                raise
        termios.tcflush(self.fd, termios.TCIFLUSH)

    def close(self) -> None:
        super().close()
        self.lease = None


def find_handler(name: str) -> Optional[ModuleSpec]:
    """For comlease.pth, which has pyserial's search for protocol_comlease end here."""
    path = os.path.join(os.path.dirname(__file__), "protocol_comlease.py")
    return spec_from_file_location(name, path)


if __package__ not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(__package__)
