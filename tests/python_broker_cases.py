"""More cases of python_lease.sh: where the broker is, when it goes, and what is no broker.

usage: python_broker_cases.py CASE [ARGUMENT...]
"""
import contextlib
import errno
import json
import os
import socket
import threading
import time

import comlease
from python_support import client, fails, run, say


def case_no_broker(path):
    nowhere = comlease.Client(path + ".none", reconnect=0.2)
    begun = time.monotonic()
    error = fails(comlease.NoBroker, nowhere.acquire, "modem0")
    assert isinstance(error, ConnectionError) and error.errno == errno.ECONNREFUSED
    assert path in str(error) and "comleased" in str(error)
    assert time.monotonic() - begun >= 0.2
    fails(comlease.NoBroker, nowhere.list)
    fails(comlease.NoBroker, nowhere.acquire, "modem0", wait=0)


def case_finds_its_socket(path):
    def paths(**variables):
        for name in ("COMLEASE_SOCKET", "XDG_RUNTIME_DIR"):
            os.environ.pop(name, None)
        os.environ.update(variables)
        return comlease.Client()._paths

    system = "/run/comlease/comlease.sock"
    assert paths() == paths(COMLEASE_SOCKET="") == paths(XDG_RUNTIME_DIR="relative") == [system]
    assert paths(XDG_RUNTIME_DIR="/run/user/1") == [system, "/run/user/1/comlease/comlease.sock"]
    assert paths(COMLEASE_SOCKET=path, XDG_RUNTIME_DIR="/run/user/1") == [path]
    assert comlease.Client("/x")._paths == ["/x"]
    # The second is tried where the first does not exist.
    both = comlease.Client(path)
    both._paths = [path + ".none", path]
    both.list()


def case_restart():
    """The shell restarts the broker while it waits, and then ends the holder."""
    with client.acquire("modem0", wait=100) as lease:
        say("granted", lease.token)


def case_monitor_restart():
    with client.monitor() as events:
        say("watching")
        error = fails(comlease.BrokerGone, list, events)
        assert "gone" in str(error)


# ---- what is no broker ----


def canned(*answers):
    """A client whose broker gives each call the next answer: bytes, or (bytes, descriptors)."""
    path = os.path.join(os.environ["SCRATCH"], "canned")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        with server:
            for answer in answers:
                data, fds = answer if isinstance(answer, tuple) else (answer, [])
                with server.accept()[0] as connection:
                    connection.recv(65536)
                    if data:
                        socket.send_fds(connection, [data], fds) if fds else connection.sendall(data)
                    for fd in fds:
                        os.close(fd)

    thread = threading.Thread(target=serve)
    thread.start()
    return comlease.Client(path, reconnect=0), thread


def case_nonsense():
    lease = b'{"parameters":{"lease":{"token":1,"port":"m"},"fd":0}}\0'
    before = len(os.listdir("/proc/self/fd"))
    null = [os.open("/dev/null", os.O_RDWR) for _ in range(5)]
    wrong = [
        b"hello\0", b"[]\0", b'{"parameters":[]}\0', b'{"error":7}\0', b"{}\0", b"\xff\0", lease,
        b'{"parameters":{"lease":{}}}\0', b'{"parameters":{"lease":{"token":"1"}}}\0', b"[" * 50000 + b"\0",
        (lease, null[0:2]), (b'{"parameters":{}}\0', null[2:3]),
    ]
    it, thread = canned(*wrong)
    for answer in wrong:
        error = fails(comlease.ProtocolError, it.acquire, "m")
        assert "no comlease broker" in str(error)
    thread.join()
    it, thread = canned(b'{"error":"io.comlease.New","parameters":{"why":1}}\0', b"", b'{"parameters":{"le',
                        (b'{"error":"io.comlease.Busy","parameters":{"message":"no"}}\0', null[3:4]),
                        (b'{"new":1,"parameters":{"new":[],"fd":0,"lease":{"token":7,"new":{}}}}\0', null[4:5]))
    error = fails(comlease.ComleaseError, it.acquire, "m")
    assert type(error) is comlease.ComleaseError and error.name == "io.comlease.New" and error.parameters == {"why": 1}
    fails(comlease.BrokerGone, it.acquire, "m")
    fails(comlease.BrokerGone, it.acquire, "m")
    fails(comlease.Busy, it.acquire, "m")
    with it.acquire("m") as lease:
        assert lease.token == 7
    thread.join()
    assert len(os.listdir("/proc/self/fd")) == before


def case_reconnects():
    """A broker that goes takes its queue along: what it is asked then tells the old place."""
    path, calls = os.path.join(os.environ["SCRATCH"], "going"), []
    lease = b'{"parameters":{"lease":{"token":7},"fd":0}}\0'
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        for n in range(4):
            with server.accept()[0] as connection:
                calls.append(json.loads(connection.recv(65536)[:-1]))
                time.sleep(0.3)  # so long it has waited at least
                if n == 3:
                    with open("/dev/null") as null:
                        socket.send_fds(connection, [lease], [null.fileno()])

    thread = threading.Thread(target=serve)
    thread.start()
    fails(comlease.BrokerGone, comlease.Client(path, reconnect=0).acquire, "m")
    begun = time.monotonic()
    comlease.Client(path).acquire("m", wait=100, label="x").close()
    most = (time.monotonic() - begun) * 1000
    thread.join()
    server.close()
    first, *again = (call["parameters"] for call in calls[1:])
    assert first == {"port": "m", "label": "x", "wait": 100000}, first
    for n, call in enumerate(again, 1):
        assert n * 300 <= call["waited"] <= most and call["label"] == "x", call
        assert begun * 1000 - 1 <= call["since"] <= begun * 1000 + most - call["waited"], call
        assert 100000 - most <= call["wait"] <= 100000 - n * 300, call


if __name__ == "__main__":
    run(globals())
