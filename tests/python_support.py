"""What the cases of python_lease.sh share: a client, and processes beside them. It asserts nothing of comlease."""
import contextlib
import subprocess
import sys

import comlease

client = comlease.Client()


class Child:
    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", sys.argv[0], name, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self.process.pid

    def hear(self, start):
        """The rest of the next line, which starts so."""
        line = self.process.stdout.readline()
        assert line.startswith(start), (line, start, self.process.poll())
        return line[len(start):].strip()

    def tell(self, line=""):
        print(line, file=self.process.stdin)

    def end(self, status=0):
        self.process.stdin.close()
        assert self.process.wait(20) == status, self.process.returncode
        self.process.stdout.close()


@contextlib.contextmanager
def child(name, *arguments):
    it = Child(name, *arguments)
    try:
        yield it
    finally:
        it.process.kill()
        it.process.wait()
        it.process.stdin.close()
        it.process.stdout.close()


def say(*words):
    print(*words, flush=True)


def fails(cls, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except cls as error:
        return error
    raise AssertionError(f"no {cls.__name__}")


def until(events, name):
    """The next event of that name."""
    for event in events:
        if event["event"] == name:
            return event
    raise AssertionError(f"never came: {name}")


def run(cases):
    """The case that the command line names."""
    cases[sys.argv[1]](*sys.argv[2:])
