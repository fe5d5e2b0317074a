"""A serial device for tests that is made of a pty: at_phone.py, gps_receiver.py.

Responsible for the pty, the link to it, and for bytes to and from whoever has it open. It knows nothing of what
they mean, and holds no descriptor of the side that programs open, or it would be a foreign holder itself.

The one tricky idea: while nobody has that side open the master reads EIO, and only an open, which inotify tells of,
can change that.
"""
import ctypes, os, pty, select, signal, tty

IN_OPEN = 0x20


class Device:
    def __init__(self, link):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.chmod(name, 0o666)
        os.close(slave)
        os.set_blocking(self.master, False)
        libc = ctypes.CDLL(None, use_errno=True)
        self.opens = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if libc.inotify_add_watch(self.opens, name.encode(), IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self.is_open = False
        # A signal wakes select() by a byte in this pipe.
        self.wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        os.symlink(name, link)

    def write(self, data):
        """What does not fit (nobody reads) is lost, as on a wire; so is what nobody has the device open for."""
        try:
            os.write(self.master, data)
        except OSError:
            pass

    def wait(self, seconds=None):
        """Bytes that have come; b"" after that time, after a signal, or when the last one has closed it."""
        ready = select.select([self.wake, self.opens] + [self.master] * self.is_open, [], [], seconds)[0]
        if self.wake in ready:
            os.read(self.wake, 4096)
        if self.opens in ready:
            os.read(self.opens, 4096)
            self.is_open = True
        elif self.master in ready:
            try:
                return os.read(self.master, 4096)
            except OSError:
                self.is_open = False
        return b""
