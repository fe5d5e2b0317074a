#!/usr/bin/python3
# vm_suite.py - does comlease do on a real machine what it does on ptys: udev, systemd, real tty drivers, hotplug?
#
# VM=build/vm BUILD=build/release tests/vm_suite.py	TAP on stdout; about five minutes (`make check-vm`)
#
# The tests themselves are vm_guest*.sh and run in the guest, which prints TAP on a line of its own. What the
# guest can't do itself it asks for on that line, and waits for the answer:
#
#	@plug NAME SERIAL		a usb-serial device (ftdi_sio) is plugged in; its far end is ours
#	@unplug NAME			it is pulled out
#	@say NAME HEX			its far end sends these bytes, and the adapter has them
#	@far NAME COUNT SECONDS		what has arrived at its far end, as soon as it is so much or the time is over:
#					LENGTH:HEX; it is forgotten then
#	@lines				since the last time: what the usb-serial devices were told, DTR, RTS and break
#	@modem NAME			from now on a soft modem is at its far end, and a real efax behind it answers
#	@page				what that efax has received, compared with what was sent
#
# VM_PARTS="plug unit": these only; the others need `plug`. On failure the guest's console is in $VM/console.log.

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tty

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from vm_machine import PATIENCE_S, Failure, Machine  # noqa: E402

BUILD = os.path.abspath(os.environ.get("BUILD", "build/release"))
SILENCE_S = 400  # so long nothing at all comes from a guest that is well
BOOTS = 3


def say(text):
    print(text, flush=True)


class Suite:
    def __init__(self, folder):
        self.scratch = tempfile.mkdtemp(prefix="comlease-vm.")
        self.share = os.path.join(self.scratch, "share")
        self.folder = folder
        self.machine = Machine(folder, self.share, self.scratch)
        self.children, self.received = [], None
        self.traced = 0

    def provide(self, folder):
        """What the guest sees as /tests: its scripts, its program, the packages."""
        os.mkdir(self.share)
        for name in os.listdir(HERE):
            if name.startswith("vm_guest"):
                shutil.copy(os.path.join(HERE, name), self.share)
        with open(os.path.join(self.share, "parts"), "w") as file:
            file.write(os.environ.get("VM_PARTS", "plug dirt drain unit bridge rule") + "\n")
        shutil.copy(os.path.join(BUILD, "tests/vm_client"), self.share)
        shutil.copytree(os.path.join(folder, "debs"), os.path.join(self.share, "debs"), symlinks=True)
        made = subprocess.run(["bash", "-c", '. "$1" && make_fax_page "$2" "From the guest"', "-", HERE + "/clients.sh",
                               self.share + "/page.tif"], capture_output=True, timeout=2 * PATIENCE_S)
        if made.returncode:
            os.path.exists(self.share + "/page.tif") and os.unlink(self.share + "/page.tif")

    # ---- what the guest asks for ----

    def do_plug(self, name, serial):
        self.machine.plug(name, serial)

    def do_unplug(self, name):
        self.machine.unplug(name)

    def do_say(self, name, data):
        peer, until = self.machine.peers[name], time.monotonic() + PATIENCE_S
        peer.send(bytes.fromhex(data))
        while peer.unread():
            if time.monotonic() > until:
                raise Failure("the guest does not take it")
            time.sleep(0.01)

    def do_far(self, name, count, seconds):
        peer, until = self.machine.peers[name], time.monotonic() + float(seconds)
        while self.machine.turn(0):  # what has come before the question
            pass
        while len(peer.arrived) < int(count) and time.monotonic() < until:
            self.machine.turn(until - time.monotonic())
        data, peer.arrived = bytes(peer.arrived), bytearray()
        return f"{len(data)}:{data.hex()}"

    def do_lines(self):
        """FTDI: request 1 sets DTR (bit 0 if bit 8 says so) and RTS (1, 9); bit 14 of request 4 is break."""
        with open(self.machine.trace) as file:
            file.seek(self.traced)
            text = file.read()
            self.traced = file.tell()
        seen = []
        for request, value in re.findall(r"got control 0x40([0-9a-f]+), value 0x([0-9a-f]+)", text):
            request, value = int(request, 16), int(value, 16)
            if request == 1:
                seen += [name + "+-"[not value & bit] for name, bit in (("dtr", 1), ("rts", 2)) if value & bit << 8]
            elif request == 4:
                seen.append("break" + "+-"[not value & 1 << 14])
        return " ".join(seen) or "none"

    def do_modem(self, name):
        self.end_children()
        self.machine.peers[name].part()
        folder = tempfile.mkdtemp(dir=self.scratch)
        guest, far, self.received = (os.path.join(folder, each) for each in ("guest-modem", "far-modem", "in"))
        modems = subprocess.Popen([BUILD + "/tests/softmodem", "-d", "-l", folder + "/modems.log",
                                   guest + "=100", far + "=200"], stdout=subprocess.PIPE)
        self.children.append(modems)
        if modems.stdout.readline() != b"ready\n":
            raise Failure("no soft modem")
        descriptor = os.open(guest, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(descriptor)
        self.machine.peers[name].join(descriptor)
        with open(folder + "/answer.log", "w") as log:
            self.children.append(subprocess.Popen(["efax", "-d", far, "-o1", "-iS0=1", "-w", "-l", "200", "-r",
                                                   self.received], stdout=log, stderr=log))
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with open(folder + "/modems.log") as log:
                if re.search(r" far-modem at text=\"AT\+FRM|S0=1", log.read()):
                    return
            self.machine.turn(0.2)
        raise Failure("efax does not answer")

    def do_page(self):
        answerer, until = self.children[-1], time.monotonic() + PATIENCE_S
        while answerer.poll() is None and time.monotonic() < until:
            self.machine.turn(0.2)
        done = subprocess.run(["bash", "-c", '. "$1" && compare_fax_pages "$2" "$3"', "-", HERE + "/clients.sh",
                               self.share + "/page.tif", self.received + ".001"], capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode:
            raise Failure((done.stdout + done.stderr).strip().replace("\n", "; "))
        return done.stdout.strip()

    def obey(self, line):
        verb, *words = line[1:].split()
        try:
            answer = getattr(self, "do_" + verb)(*words)
            self.machine.reply("+" + (answer or ""))
        except (Failure, OSError, KeyError, subprocess.TimeoutExpired) as why:
            self.machine.reply(f"-{verb}: {why!r}")

    # ---- the run ----

    def boot(self):
        """Until it says its first line. An emulated machine on a busy host has been seen to stop half-way, long before
        it knows of comlease: then there is another one."""
        for _ in range(BOOTS):
            self.machine.start()
            until = time.monotonic() + SILENCE_S
            while not self.machine.lines and self.machine.turn(until - time.monotonic()):
                pass
            if self.machine.lines:
                return
            say(f"# the guest was not up after {SILENCE_S} s")
            self.machine.stop()
            self.machine = Machine(self.folder, self.share, self.scratch)
        raise Failure("the guest does not come up")

    def run(self):
        """Until the guest comes to its plan; how many have failed. What it says that is not a question is TAP."""
        failed = 0
        self.boot()
        while True:
            while self.machine.lines:
                line = self.machine.lines.pop(0)
                if line.startswith("@"):
                    self.obey(line)
                    continue
                say(line)
                failed += line.startswith("not ok ")
                if line.startswith("1.."):
                    return failed
            if not self.machine.turn(SILENCE_S):
                raise Failure(f"nothing has come from the guest for {SILENCE_S} s")

    def end_children(self):
        while self.children:
            child = self.children.pop()
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()  # efax, whose modem does not answer
                child.wait()

    def end(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.end_children()
        self.machine.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)


def main():
    folder = os.environ.get("VM")
    if not folder or not os.path.exists(folder + "/initrd.gz"):
        say("1..0 # SKIP make check-vm builds the guest")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    suite = Suite(folder)
    try:
        suite.provide(folder)
        if suite.run() == 0:
            os.unlink(suite.machine.console)
        return 0
    except Failure as why:
        say(f"# {why}")
        for log in filter(os.path.exists, (folder + "/qemu.log", suite.machine.console)):
            with open(log, errors="replace") as file:
                for line in file.read().splitlines()[-20:]:
                    say(f"# {os.path.basename(log)}: {line.strip()}")
        return 1
    finally:
        suite.end()


sys.exit(main())
