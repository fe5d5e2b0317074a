"""The cases of python_lease.sh: comlease.Client and its Lease against a real broker.

usage: python_cases.py CASE [ARGUMENT...]

A case is a function `case_...`; it fails by an exception. Those called `child_...` are what it starts beside
itself: who has acquired is joined by his descendants, so a case that needs somebody else to hold or wait holds
nothing itself. They say on standard output what they have come to, and go on when a line comes in. Nothing
here waits by the clock: a case reads what a child says, or what the broker's monitor tells.
"""
import errno
import fcntl
import gc
import json
import os
import pickle
import resource
import signal
import sys
import threading
import time
import warnings

import comlease
from python_support import child, client, fails, run, say, until

# ---- children ----


def child_hold(port, *options):
    with client.acquire(port, **json.loads(options[0] if options else "{}")) as lease:
        say("up", lease.token)
        sys.stdin.readline()


def child_wait(port):
    """Says whom it waits for, and what it got."""
    lease = client.acquire(port, on_wait=lambda w: say("waits", w["ahead"], w.get("holder", {}).get("owner", {}).get("pid")))
    with lease:
        say("up", lease.waited)
        sys.stdin.readline()


def child_silent(port):
    try:
        client.acquire(port).close()
    except KeyboardInterrupt:
        say("interrupted")


def child_standby(port):
    """Gives way when it is asked, and comes back."""
    with client.acquire(port, standby=True, class_="listen") as lease, lease.watch() as watch:
        say("up", lease.token)
        event = next(watch)
        say("asked", json.dumps(event._asdict()))
        before = len(os.listdir("/proc/self/fd"))
        lease.yield_(wait=20, on_wait=lambda waiting: say("away", waiting["state"]))
        say("back", lease.token)
        assert len(os.listdir("/proc/self/fd")) == before
        assert list(watch) and watch.over  # that of the first lease
        with lease.watch() as second:
            assert second.get(0) is None and not second.over
        sys.stdin.readline()


def child_reads(port):
    """Reads until its port is taken, and says how that looks."""
    with client.acquire(port) as lease, lease.watch() as watch:
        say("up", lease.token)
        try:
            read = os.read(lease.fd, 1)
        except OSError as error:
            read = error.errno
        assert read in (b"", errno.EIO), read
        assert fails(OSError, os.write, lease.fd, b"x").errno == errno.EIO
        say("ended", [event.event for event in watch])


def child_forks(port):
    """Its child keeps a copy of the descriptor; it releases nevertheless."""
    lease = client.acquire(port)
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(write)
        os.read(read, 1)  # until its parent has ended
        os._exit(0)
    lease.release()
    say("released", lease.closed)
    sys.stdin.readline()


def child_dies(port):
    lease = client.acquire(port)
    say("up", lease.token)
    signal.pause()


# ---- leases ----


def case_talks(device):
    with client.acquire("modem0") as lease:
        assert (lease.port, lease.device) == ("modem0", device), lease
        assert lease.token > 0 and 0 <= lease.waited < 20 and lease.fileno() == lease.fd
        assert fcntl.fcntl(lease.fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        assert os.get_blocking(lease.fd)
        os.write(lease.fd, b"ATI\r")
        heard = b""
        while b"OK\r\n" not in heard:
            heard += os.read(lease.fd, 100)
    assert lease.closed and lease.fd == -1
    fails(ValueError, lease.fileno)
    lease.close()
    with client.acquire("modem0", blocking=False) as second:
        assert second.token > lease.token
        assert not os.get_blocking(second.fd)


def case_by_device(device):
    with client.acquire(device=device) as lease:
        assert lease.port == "modem0"
    with client.acquire(device=os.path.realpath(device)) as lease:
        assert lease.port == "modem0"
    fails(comlease.NoSuchPort, client.acquire, device="/dev/null")


def case_queues():
    with child("child_hold", "modem0") as first:
        first.hear("up")
        with child("child_wait", "modem0") as second:
            assert second.hear("waits").split() == ["0", str(first.pid)]
            assert client.list(["modem0"])[0]["waiting"] == 1
            first.tell()
            line = second.process.stdout.readline()
            while line.startswith("waits"):
                line = second.process.stdout.readline()
            assert line.startswith("up"), line
            first.end()
            second.end()


def case_busy():
    with child("child_hold", "modem0", '{"label": "ann", "class_": "flash"}') as holder:
        token = int(holder.hear("up"))
        error = fails(comlease.Busy, client.acquire, "modem0", wait=0)
        assert isinstance(error, OSError) and error.errno == errno.EBUSY
        assert error.name == "io.comlease.Busy" and error.parameters["port"] == "modem0"
        holds = error.parameters["holder"]
        assert (holds["token"], holds["owner"]["pid"]) == (token, holder.pid)
        assert (holds["label"], holds["class"]) == ("ann", "flash")
        assert "held by" in str(error) and str(holder.pid) in str(error), error
        for on_wait in None, lambda waiting: None:
            begun = time.monotonic()
            error = fails(TimeoutError, client.acquire, "modem0", wait=0.3, on_wait=on_wait)
            assert isinstance(error, comlease.TimedOut) and time.monotonic() - begun >= 0.29
            assert str(holder.pid) in str(error), error
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is comlease.TimedOut and str(again) == str(error) and again.parameters == error.parameters
        holder.end()


def case_errors():
    error = fails(comlease.NoSuchPort, client.acquire, "elsewhere")
    assert "elsewhere" in str(error) and "modem0" in str(error) and error.errno == errno.ENOENT
    assert fails(comlease.Revoked, client.watch, 12345).errno == errno.ESTALE
    fails((comlease.Revoked, comlease.NotHolder), client.set_busy, token=12345)
    error = fails(comlease.InvalidParameter, client.call, "Acquire", port="a b")
    assert "port" in str(error) and error.name == "org.varlink.service.InvalidParameter"
    assert fails(comlease.ComleaseError, client.call, "Sing").errno == errno.ENOSYS


def case_bad_values():
    for what, options in {
        "either": {}, "port": {"port": "a b"}, "class": {"port": "m", "class_": ""},
        "label": {"port": "m", "label": "x" * 65}, "device": {"device": "tty"}, "utf-8": {"device": "/\udc80"},
        "priority": {"port": "m", "priority": 101}, "wait": {"port": "m", "wait": -1}, "key": {"port": "m", "key": "1"},
        "max_hold": {"port": "m", "max_hold": 0}, "yield_grace": {"port": "m", "yield_grace": float("nan")},
    }.items():
        error = fails(ValueError, client.acquire, **options)
        assert what in str(error), (what, error)
    fails(ValueError, client.set_busy)
    fails(ValueError, comlease.Client, reconnect=-1)


def case_detach():
    lease = client.acquire("modem0")
    fd = lease.detach()
    assert lease.closed
    lease.close()
    assert client.list(["modem0"])[0]["lease"]["token"] == lease.token
    os.close(fd)
    client.acquire("modem0", wait=20).close()


def case_garbage():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        lease = client.acquire("modem0")
        del lease
        gc.collect()
    assert [w.category for w in seen] == [ResourceWarning] and "modem0" in str(seen[0].message)
    with client.acquire("modem0", wait=20):
        pass


def case_leaves(name):
    """^C, or kill -9."""
    number = getattr(signal, name)
    with client.monitor(["modem0"]) as events, child("child_hold", "modem0") as holder:
        holder.hear("up")
        with child("child_silent", "modem0") as waiter:
            while until(events, "request")["owner"]["pid"] != waiter.pid:
                pass
            assert client.list(["modem0"])[0]["waiting"] == 1
            os.kill(waiter.pid, number)
            event = until(events, "leave")
            assert event["reason"] == "gone" and event["owner"]["pid"] == waiter.pid
            if number == signal.SIGINT:
                waiter.hear("interrupted")
                waiter.end()
        assert client.list(["modem0"])[0]["waiting"] == 0
        holder.end()


def case_on_wait_leaves():
    class Enough(Exception):
        pass

    def enough(waiting):
        raise Enough

    with client.monitor(["modem0"]) as events, child("child_hold", "modem0") as holder:
        holder.hear("up")
        fails(Enough, client.acquire, "modem0", on_wait=enough)
        assert until(events, "leave")["reason"] == "gone"
        holder.end()


def case_forks():
    """A child that happens to be forked has copies of the connections, and neither keeps nor ends them."""
    class Enough(Exception):
        pass

    read, write = os.pipe()

    def forks_and_leaves(waiting):
        if os.fork() == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        raise Enough

    with client.monitor(["modem0"]) as events, child("child_hold", "modem0") as holder:
        holder.hear("up")
        fails(Enough, client.acquire, "modem0", on_wait=forks_and_leaves)
        assert until(events, "leave")["reason"] == "gone"
        os.close(write)
        os.wait()
        os.close(read)
        if os.fork() == 0:
            events.close()
            os._exit(0)
        holder.end()
        until(events, "end")


def case_dies():
    with child("child_dies", "modem0") as holder:
        token = int(holder.hear("up"))
        holder.process.kill()
        with client.acquire("modem0", wait=20) as lease:
            assert lease.token > token


def case_monitor():
    with client.monitor() as events, client.acquire("modem0", label="me") as lease:
        grant = until(events, "grant")
        assert grant["token"] == lease.token and grant["label"] == "me"
        lease.close()
        end = until(events, "end")
        assert (end["token"], end["reason"]) == (lease.token, "released")


def case_lists():
    names = [port["name"] for port in client.list()]
    assert names == ["modem0", "modem1"], names
    assert client.pools() == {"any": names}
    with client.acquire("any") as lease:
        assert lease.port in names and lease.info["pool"] == "any"


def case_threads():
    """One client, two ports, two threads."""
    tokens = []

    def work(port):
        for _ in range(20):
            with client.acquire(port, wait=20) as lease:
                tokens.append(lease.token)

    threads = [threading.Thread(target=work, args=(f"modem{n}",)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == len(set(tokens)) == 40, tokens


def case_descriptors():
    """None is left behind: not by leases, not by waits that failed."""
    def count():
        return len(os.listdir("/proc/self/fd"))

    with child("child_hold", "modem1") as holder:
        holder.hear("up")
        before = count()
        for _ in range(3):
            client.acquire("modem0", wait=20).close()
            fails(comlease.Busy, client.acquire, "modem1", wait=0)
            fails(comlease.TimedOut, client.acquire, "modem1", wait=0.01)
            fails(comlease.NoSuchPort, client.acquire, "x")
            fails(comlease.Revoked, client.watch, 12345)
            client.monitor().close()
            client.list()
        assert count() == before, (before, count())
        holder.end()


def case_no_room():
    """No descriptor is left for the lease's: the broker takes it back."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open("/dev/null", os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + 1, limit[1]))  # room for the socket only
    error = fails(OSError, client.acquire, "modem0")
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert error.errno == errno.EMFILE, error
    client.acquire("modem0", wait=20).close()


# ---- giving way, being cut off ----


def case_yields():
    with client.monitor(["modem0"]) as events, child("child_standby", "modem0") as standby:
        token = int(standby.hear("up"))
        with child("child_hold", "modem0", '{"class_": "flash"}') as other:
            asked = json.loads(standby.hear("asked"))
            assert asked["event"] == "yieldWanted" and asked["reason"] == "yielded" and asked["left"] >= 0
            assert asked["asker"]["pid"] == other.pid and asked["asker_class"] == "flash", asked
            other.hear("up")
            standby.hear("away")
            while (event := until(events, "end"))["token"] != token:
                pass
            assert event["reason"] == "yielded"
            other.end()
        line = "away"
        while line.startswith("away"):
            line = standby.process.stdout.readline()
        assert line.startswith("back") and int(line.split()[1]) > token, line
        standby.end()


def case_busy_standby():
    with client.acquire("modem0", standby=True) as lease:
        assert lease.set_busy() is True
        assert "busySince" in client.list(["modem0"])[0]["lease"]
        assert client.set_busy(False, port="modem0") is True
    with client.acquire("modem0", wait=20) as lease:
        assert lease.set_busy() is False


def case_yield_of_an_ended_lease():
    lease = client.acquire("modem0", standby=True)
    token = lease.token
    lease.close()
    with lease:
        lease.yield_(wait=20)
        assert lease.token > token and not lease.closed


def case_revoke():
    with child("child_reads", "modem0") as holder:
        token = int(holder.hear("up"))
        fails(comlease.Revoked, client.revoke, "modem0", token=token + 1000)
        assert client.revoke("modem0", token=token, reason="a test") == token
        assert holder.hear("ended") == "['revoked']"
        holder.end()


def case_release():
    with child("child_forks", "modem0") as holder:
        assert holder.hear("released") == "True"
        client.acquire("modem0", wait=20).close()
        holder.end()


if __name__ == "__main__":
    run(globals())
