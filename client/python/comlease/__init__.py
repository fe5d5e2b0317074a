"""Leases on serial ports, from the broker comleased(8): wait for your turn, get the open device.

    import comlease, os

    with comlease.Client().acquire("modem0", wait=60) as lease:
        os.write(lease.fd, b"ATI\\r")
        print(os.read(lease.fd, 100))

A lease lives as long as its descriptor does: through fork, exec and passing it on, until the last
copy is closed. There is nothing to renew and no connection to keep. When the process dies, the next
one gets the port.

With pyserial no program has to be changed: it is given a URL instead of a device,

    serial.serial_for_url("comlease://modem0?class=flash&wait=30")

and opening it waits for the port, closing it releases it; see comlease.serial.

Threads: a Client may be used by any number of threads at the same time; a Lease and a Stream by one
at a time. Nothing is printed, no thread is started, no signal handler installed. Times are in
seconds. Only the standard library is needed (Python 3.9 or later, Linux). Manual:
comlease-python(7).
"""
from ._client import Client
from ._errors import (
    Absent,
    BrokerGone,
    Busy,
    ComleaseError,
    Deadlock,
    InvalidParameter,
    NoBroker,
    NoSuchPort,
    NoSuchWaiter,
    NotAllowed,
    NotForeign,
    NotHolder,
    NotRevocable,
    OpenFailed,
    ProtocolError,
    QueueFull,
    QuotaExceeded,
    Revoked,
    TimedOut,
)
from ._lease import Lease
from ._stream import Event, Stream

__all__ = [
    "Absent",
    "BrokerGone",
    "Busy",
    "Client",
    "ComleaseError",
    "Deadlock",
    "Event",
    "InvalidParameter",
    "Lease",
    "NoBroker",
    "NoSuchPort",
    "NoSuchWaiter",
    "NotAllowed",
    "NotForeign",
    "NotHolder",
    "NotRevocable",
    "OpenFailed",
    "ProtocolError",
    "QueueFull",
    "QuotaExceeded",
    "Revoked",
    "Stream",
    "TimedOut",
]
