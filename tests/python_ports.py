"""The cases of python_serial.sh: what a program sees of a comlease:// URL through pyserial.

usage: python_ports.py CASE [ARGUMENT...]

A case is a function `case_...`; it fails by an exception.
"""
import errno
import fcntl
import os
import select
import sys
import threading

import comlease
import comlease.serial
import serial

client = comlease.Client()


def fails(cls, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except cls as error:
        return error
    raise AssertionError(f"no {cls.__name__}")


def state(port):
    return client.list([port])[0]


def talk(port, command, end):
    port.write(command + b"\r")
    heard = port.read_until(end)
    assert heard.endswith(end), heard


def case_everything():
    url = "COMLEASE://modem0?label=a+b&class=flash&wait=20&max_hold=60"
    with serial.serial_for_url(url, 57600, bytesize=8, timeout=20, write_timeout=5, exclusive=True) as port:
        assert isinstance(port, serial.Serial) and port.is_open and port.port == port.name == url
        lease = state("modem0")["lease"]
        assert (lease["label"], lease["class"], lease["token"]) == ("a+b", "flash", port.lease.token)
        assert 0 < lease["until"] - lease["since"] <= 60000
        assert os.stat(port.fileno()).st_rdev == state("modem0")["rdev"]
        assert fcntl.fcntl(port.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        talk(port, b"ATI", b"OK\r\n")
        for baudrate in 9600, 115200, 250000:
            port.baudrate = baudrate
        port.stopbits, port.xonxoff, port.rtscts = 2, True, True  # a pty has no parity
        port.apply_settings({"stopbits": 1, "xonxoff": False, "rtscts": False})
        # exclusive: somebody who opens the device beside us is kept out by flock, as by pyserial without us.
        beside = os.open(port.lease.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fails(BlockingIOError, fcntl.flock, beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        port.exclusive = False
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(beside)
        port.write(b"AT\r")
        assert port.read(1)
        select.select([port], [], [], 20)
        assert port.in_waiting
        port.reset_input_buffer()
        port.reset_output_buffer()
        port.flush()
        port.send_break(0)
        port.break_condition = True
        port.break_condition = False
        assert port.out_waiting == 0
        port.timeout = 0
        while port.read(100):
            pass
        port.timeout = 20
        talk(port, b"AT", b"OK\r\n")
        assert port.readable() and port.writable() and not port.isatty()
    assert not port.is_open and port.lease is None
    fails(serial.SerialException, port.read)


def case_reopens():
    port = serial.serial_for_url("comlease://modem0?wait=20", do_not_open=True, timeout=20)
    assert not port.is_open and state("modem0")["state"] != "held"
    port.open()
    first = port.lease.token
    fails(serial.SerialException, port.open)
    port.close()
    port.close()
    port.open()
    assert port.lease.token > first
    talk(port, b"AT", b"OK\r\n")
    port.close()
    with port:
        assert port.is_open
    assert not port.is_open


def case_changes():
    with serial.serial_for_url("comlease://modem0?wait=20") as port:
        fails(ValueError, setattr, port, "port", "comlease://modem1?wiat=1")
        assert port.is_open and state("modem0")["lease"]["token"] == port.lease.token
        port.port = "comlease://modem1?wait=20"
        assert port.is_open and port.lease.port == "modem1"
        client.acquire("modem0", wait=20).close()


def case_pool():
    with serial.serial_for_url("comlease://any") as one, serial.serial_for_url("comlease://any") as other:
        assert {one.lease.port, other.lease.port} <= {"modem0", "modem1"}


def case_modem_lines():
    """As pyserial's own class does on the very device."""
    with client.acquire("modem1", wait=20) as lease:
        plain = serial.Serial(lease.device)
        expected = [fails(OSError, setattr, plain, "dtr", True).errno, fails(OSError, lambda: plain.cts).errno]
        plain.close()
    with serial.serial_for_url("comlease://modem1?wait=20") as port:
        assert [fails(OSError, setattr, port, "dtr", True).errno, fails(OSError, lambda: port.cts).errno] == expected
        assert expected == [errno.ENOTTY] * 2


def case_cancel():
    with serial.serial_for_url("comlease://modem0?wait=20") as port:
        for cancel in port.cancel_read, port.cancel_read:
            thread = threading.Timer(0.1, cancel)
            thread.start()
            assert port.read(1) == b""
            thread.join()
        port.cancel_write()


def case_bad_settings():
    before = len(os.listdir("/proc/self/fd"))
    fails(ValueError, serial.serial_for_url, "comlease://modem0?wait=20", inter_byte_timeout=100)
    port = serial.serial_for_url("comlease://modem0?wait=20", do_not_open=True, inter_byte_timeout=100)
    fails(ValueError, port.open)
    assert not port.is_open and port.lease is None
    assert len(os.listdir("/proc/self/fd")) == before
    port.inter_byte_timeout = None
    port.open()
    port.close()


def case_bad_urls():
    for url, words in {
        "comlease://": "names no port", "comlease:///": "names no port", "comlease://?wait=1": "names no port",
        "comlease://a b": "'a b'", "comlease://%00": "is no name", "comlease://%ff": "utf-8",
        "comlease://" + "x" * 65: "is no name", "comlease://m/n": "is no name", "comlease://m#x": "is no name",
        "comlease://m?wiat=30": "unknown parameter 'wiat'; there are: class, wait,",
        "comlease://m?standby=1": "unknown parameter 'standby'", "comlease://m?Wait=1": "'Wait'",
        "comlease://m?wait=": "wait: '' is no number of seconds", "comlease://m?wait": "wait: '' is",
        "comlease://m?wait=soon": "wait: 'soon' is no number of seconds", "comlease://m?wait=-1": "wait: -1.0",
        "comlease://m?wait=nan": "wait: nan", "comlease://m?wait=inf": "wait: inf", "comlease://m?wait=1&wait=1": "wait is given twice",
        "comlease://m?priority=1.5": "priority: '1.5' is no whole number", "comlease://m?priority=101": "-100 to 100",
        "comlease://m?class=": "class: ''", "comlease://m?class=a%20b": "class: 'a b'", "comlease://m?label=%ff": "label: 'utf-8'",
        "comlease://m?max_hold=0": "max_hold", "comlease://m?max_hold=forever": "max_hold: 'forever'",
        "comlease://m?reconnect=-1": "reconnect", "comlease://m?socket=": "socket: ''", "comlease://m?socket=a": "no absolute path",
    }.items():
        error = fails(ValueError, serial.serial_for_url, url, do_not_open=True)
        assert words in str(error) and url in str(error), (url, str(error))
    fails(ValueError, comlease.serial.parse_url, "modem0")
    fails(ValueError, serial.serial_for_url("comlease://m", do_not_open=True).__class__, "/dev/null")


def case_refused():
    error = fails(serial.SerialException, serial.serial_for_url, "comlease://elsewhere?label=x")
    assert error.errno == errno.ENOENT and "could not open port comlease://elsewhere: " in str(error), error
    assert "modem0" in str(error) and isinstance(error.__cause__, comlease.NoSuchPort)
    port = serial.serial_for_url("comlease://modem0", do_not_open=True)
    port.port = None
    fails(serial.SerialException, port.open)


def case_parse():
    parse = comlease.serial.parse_url
    assert parse("comlease://modem0") == ({}, {"port": "modem0"})
    assert parse("ComLease://Modem0/?&") == ({}, {"port": "Modem0"})
    everything = "comlease://a%3Ab@+c?class=x&wait=0.5&priority=%2d7&label=l%2Bl&max_hold=9&reconnect=0&socket=/s%20t"
    assert parse(everything) == ({"reconnect": 0, "socket": "/s t"}, {
        "port": "a:b@+c", "class_": "x", "wait": 0.5, "priority": -7, "label": "l+l", "max_hold": 9})
    assert parse("comlease://m?wait=forever")[1]["wait"] is None
    assert parse("comlease:///dev/ttyUSB0")[1] == {"device": "/dev/ttyUSB0"}


def case_names(device):
    for url in "comlease://%6dodem0", "comlease://modem0/", f"comlease://{device}", f"comlease://{device.replace('/', '%2F')}":
        with serial.serial_for_url(url + "?wait=20") as port:
            assert port.lease.port == "modem0"


def case_revoked():
    with serial.serial_for_url("comlease://modem0?wait=20", timeout=20) as port:
        thread = threading.Timer(0.1, client.revoke, ["modem0"])
        thread.start()
        fails(serial.SerialException, port.read)
        thread.join()
        fails(serial.SerialException, port.read, 10)
        fails(serial.SerialException, port.write, b"x")
        fails(OSError, lambda: port.in_waiting)
    port.open()  # and it can be had again
    talk(port, b"AT", b"OK\r\n")
    port.close()


def case_no_broker():
    error = fails(serial.SerialException, serial.serial_for_url, "comlease://modem0?reconnect=0.1")
    assert "comleased" in str(error), error
    error = fails(serial.SerialException, serial.serial_for_url, "comlease://modem0?wait=0&socket=/nowhere")
    assert "/nowhere: no broker" in str(error), error


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
