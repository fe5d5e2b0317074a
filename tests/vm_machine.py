# vm_machine.py - one qemu with one guest, for vm_suite.py: starts it, plugs serial devices in and out, ends it.
#
# Responsible for the process, its QMP socket and the far ends of its serial ports. It refuses to know what is
# tested. The tricky idea: one selector waits for all of it, so nothing here needs a thread, and what arrives at a
# far end is read at once: a line of the guest never stalls for us.

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import termios
import time

PATIENCE_S = 60


class Failure(Exception):
    """What could not be done, in words."""


def accelerator():
    """KVM, where the processor has what it needs; a /dev/kvm alone is no proof."""
    with open("/proc/cpuinfo") as file:
        flags = set(next((line for line in file if line.startswith("flags")), "").split())
    return "kvm" if flags & {"vmx", "svm"} and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


class Peer:
    """The far end of a serial port: what has arrived there, and where else it goes."""

    def __init__(self, machine, name, connection):
        self.machine, self.name, self.connection = machine, name, connection
        self.arrived = bytearray()
        self.modem = None  # a descriptor that gets it instead, as fast as it likes
        machine.selector.register(connection, selectors.EVENT_READ, self.readable)

    def readable(self, _):
        data = self.connection.recv(65536)
        if not data:
            self.machine.selector.unregister(self.connection)
        self.arrived += data
        if self.modem is not None:
            self.relay()

    def send(self, data):
        self.connection.sendall(data)

    def unread(self):
        """How much of that qemu has not read yet; nothing tells when it has."""
        return int.from_bytes(fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4)), "little")

    def join(self, descriptor):
        """From now on it is a wire between the guest's port and this descriptor."""
        self.part()
        self.arrived.clear()
        self.modem = descriptor
        self.machine.selector.register(descriptor, selectors.EVENT_READ, self.modem_ready)

    def part(self):
        if self.modem is not None:
            self.machine.selector.unregister(self.modem)
            os.close(self.modem)
            self.modem = None

    def relay(self):
        try:
            done = os.write(self.modem, self.arrived)
        except BlockingIOError:
            done = 0
        del self.arrived[:done]
        more = selectors.EVENT_WRITE if self.arrived else 0
        self.machine.selector.modify(self.modem, selectors.EVENT_READ | more, self.modem_ready)

    def modem_ready(self, events):
        try:
            if events & selectors.EVENT_READ:
                self.send(os.read(self.modem, 65536))
            if events & selectors.EVENT_WRITE:
                self.relay()
        except OSError as why:
            raise Failure(f"{self.name}: the modem is gone: {why}")

    def close(self):
        self.part()
        if self.connection in self.machine.selector.get_map():
            self.machine.selector.unregister(self.connection)
        self.connection.close()


class Machine:
    """The guest. `folder`: what tests/vm has built; `share`: what it sees as /tests; `scratch`: for sockets."""

    PORTS = ("uart0", "uart1")  # ttyS1, ttyS2; ttyS0 is the console
    # It may be emulated on a busy host: Linux is not to give up because its timer seems to stand still, nor systemd
    # because a unit takes longer than 90 s.
    KERNEL_OPTIONS = ("console=ttyS0 quiet panic=-1 no_timer_check rcupdate.rcu_cpu_stall_suppress=1 "
                      "systemd.show_status=0 systemd.default_timeout_start_sec=300")

    def __init__(self, folder, share, scratch):
        self.folder, self.share, self.scratch = folder, share, scratch
        self.selector = selectors.DefaultSelector()
        self.peers, self.events, self.told = {}, [], bytearray()
        self.lines = []  # whole lines from the guest
        self.console = os.path.join(folder, "console.log")
        self.trace = os.path.join(self.scratch, "trace")
        self.process = None

    # ---- the process ----

    def path(self, name):
        return os.path.join(self.scratch, name)

    def options(self):
        root = os.path.join(self.folder, "tools/root")
        library = [os.path.join(root, each) for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
        os.environ["QEMU_MODULE_DIR"] = os.path.join(library[0], "qemu")
        environment = dict(os.environ, LD_LIBRARY_PATH=":".join(library))
        # It ends with us, however we end.
        command = ["setpriv", "--pdeathsig", "KILL", os.path.join(root, "usr/bin/qemu-system-x86_64")]
        for each in ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"):
            command += ["-L", os.path.join(root, each)]
        command += ["-nodefaults", "-display", "none", "-no-reboot", "-m", "512", "-smp", "2", "-accel", accelerator(),
                    "-kernel", self.folder + "/vmlinuz", "-initrd", self.folder + "/initrd.gz",
                    "-append", self.KERNEL_OPTIONS,
                    "-drive", f"file={self.folder}/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe",
                    "-fsdev", f"local,id=share,path={self.share},security_model=none,readonly=on",
                    "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
                    "-device", "virtio-serial-pci", "-device", "qemu-xhci,id=xhci,p2=8,p3=8",
                    "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                    "-serial", f"file:{self.console}",
                    "-D", self.trace, "-msg", "timestamp=on", "-trace", "enable=usb_serial_handle_control"]
        for name in self.PORTS + ("control",):
            command += ["-chardev", f"socket,id={name},path={self.path(name)},server=on,wait=off"]
        for name in self.PORTS:
            command += ["-serial", f"chardev:{name}"]
        command += ["-device", "virtserialport,chardev=control,name=control"]
        return command, environment

    def start(self):
        command, environment = self.options()
        with open(os.path.join(self.folder, "qemu.log"), "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.qmp = self.connect("qmp")
        self.qmp_file = self.qmp.makefile("rw")
        self.answer()  # its greeting
        self.command("qmp_capabilities")
        self.control = self.connect("control")
        self.selector.register(self.control, selectors.EVENT_READ, self.heard)
        for name in self.PORTS:
            self.peers[name] = Peer(self, name, self.connect(name))

    def connect(self, name):
        connection = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                connection.connect(self.path(name))
                return connection
            except OSError:
                if self.process.poll() is not None:
                    raise Failure("qemu has ended: see qemu.log")
                time.sleep(0.05)  # it makes its sockets before it runs: nothing tells when
        raise Failure("qemu does not start")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # ---- QMP ----

    def answer(self):
        self.qmp.settimeout(PATIENCE_S)
        line = self.qmp_file.readline()
        if not line:
            raise Failure("qemu has ended")
        return json.loads(line)

    def command(self, name, **arguments):
        self.qmp_file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            message = self.answer()
            if "error" in message:
                raise Failure(f"{name}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def await_event(self, name, device):
        while True:
            for message in self.events:
                if message["event"] == name and message["data"].get("device") == device:
                    self.events.remove(message)
                    return
            self.events.append(self.answer())

    # ---- devices ----

    def plug(self, name, serial, driver="usb-serial"):
        path = self.path(name)
        backend = {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}}
        self.command("chardev-add", id=name, backend=backend)
        self.peers[name] = Peer(self, name, self.connect(name))
        more = {"always-plugged": True} if driver == "usb-serial" else {}
        self.command("device_add", driver=driver, id=name, chardev=name, serial=serial, bus="xhci.0", **more)

    def unplug(self, name):
        self.command("device_del", id=name)
        self.await_event("DEVICE_DELETED", name)
        self.peers.pop(name).close()
        self.command("chardev-remove", id=name)

    # ---- waiting ----

    def heard(self, _):
        data = self.control.recv(65536)
        if not data:
            raise Failure("the guest has ended: see console.log")
        self.told += data
        *whole, rest = self.told.split(b"\n")
        self.told = bytearray(rest)
        self.lines += [bytes(line).decode(errors="replace") for line in whole]

    def reply(self, text):
        self.control.sendall(text.encode() + b"\n")

    def turn(self, timeout):
        """Until something has happened; False: nothing has, for so long."""
        ready = self.selector.select(timeout)
        for key, events in ready:
            key.data(events)
        return bool(ready)
