#!/bin/bash
# doctor.sh - does `comlease doctor` come to the right end on a real machine, whatever that is?
#
# BUILD=build/release tests/doctor.sh      TAP on stdout
#
# What is pinned: that it works without a broker, with one, with one that hangs, and for a user who may not ask
# it; its exit status, --quiet and --json; that it opens no port, writes nothing, starts nothing but systemctl,
# and only where systemd runs. Each sentence by itself is in test_doctor*.c; what else this machine lacks is
# not asked here.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
# shellcheck source=machine.sh
. "$(dirname "$0")/machine.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1

# line PATTERN: one whole line of stdout
line() { grep -qE "^$1\$" <<<"$OUT" || explain "no line of stdout is: $1"; }
# Wrong is what makes the status 1, and nothing else does.
fits() { if grep -q '^wrong' <<<"$OUT"; then rc 1; else rc 0; fi; }
# says PATTERN ARGUMENT...: that line; the status fits
says()
{
	local pattern=$1
	shift
	cli doctor "$@"
	quiet && fits && line "$pattern"
}

# ---- without a broker ----

check "without a broker: wrong, and status 1" eval \
	'says "wrong  broker: comleased does not run: there is no socket $COMLEASE_SOCKET" && rc 1'
check "... with what mends it in the next line" eval \
	'cli doctor; grep -A1 "^wrong  broker" <<<"$OUT" | grep -qE "^       -> .*comleased"'
check "every subject has its line" eval 'cli doctor; for subject in broker systemd udev ModemManager brltty gpsd \
	"lock files" shim jansson kernel tracing environment; do line "(ok|warn|wrong) +$subject: .*" || return 1; done'
check "the variable that the tests set is told" says \
	"warn   environment: COMLEASE_SOCKET is $COMLEASE_SOCKET: all commands ask the broker there, and no other"
check "--quiet leaves out what is ok" eval 'cli doctor --quiet; ! grep -q "^ok" <<<"$OUT" && line "wrong  broker.*" &&
	line "[0-9]+ wrong, [0-9]+ to look at, [0-9]+ ok\\."'
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$COMLEASE_SOCKET"
check "a socket that nobody listens at" says \
	"wrong  broker: comleased does not run: nobody listens at $COMLEASE_SOCKET any more"
rm "$COMLEASE_SOCKET"

json()
{
	cli doctor --json
	rc 1 && quiet && python3 -c '
import json, sys
findings = json.load(sys.stdin)["findings"]
broker = [f for f in findings if f["subject"] == "broker"]
assert len(broker) == 1 and broker[0]["mark"] == "wrong" and broker[0]["mend"]
assert {f["mark"] for f in findings} <= {"ok", "warn", "wrong"}
assert all(f["says"] for f in findings)' <<<"$OUT"
}
check "--json has the same, for programs" json

# ---- it only looks ----

only_looks()
{
	timeout 60 strace -f -qq -e trace=open,openat,openat2,creat,connect,execve,unlink,unlinkat,rename,mkdir,symlink,chmod \
		-o trace "$BUILD/comlease" doctor >/dev/null 2>&1
	[ -s trace ] || { echo "strace does not run"; return 1; }
	! grep -E '"/dev/(tty|serial)' trace &&
		! grep -E 'O_WRONLY|O_RDWR|O_CREAT|creat\(|unlink|rename|mkdir|symlink|chmod' trace |
		grep -vE '"/dev/null"|/systemctl|\(deleted\)' &&
		! grep 'AF_INET' trace &&
		! grep execve trace | grep -vE 'comlease"|systemctl' &&
		{ [ -d /run/systemd/system ] || ! grep systemctl trace; }
}
if timeout 20 strace -qq -o /dev/null true 2>/dev/null && [[ $BUILD != *asan* && ! -d /run/systemd/system ]]; then
	check "it opens no port, writes nothing, starts nothing" only_looks
else
	skip "it opens no port, writes nothing, starts nothing" "strace does not work here, or systemctl's calls are among its"
fi

# ---- with a broker ----

start_modems modem0
start_broker < <(port modem0)
check "the port comes up" wait_port modem0 '"state":"free"'
well()
{
	says "ok     broker: comleased answers at $COMLEASE_SOCKET: 1 port" && line 'ok     version: .* both [0-9.]+' &&
		line '(ok|warn)   +ports: .*' && line "ok     access: .* may ask comleased.*" &&
		line "(ok|warn)   +revocation: .*"
}
check "a broker that is well is ok, and its port" well
check "-s names the socket" says "ok     broker: comleased answers at socket: 1 port" -s socket

nobody()
{
	chmod 600 "$COMLEASE_SOCKET"
	OUT=$(timeout 30 setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/comlease" doctor 2>err)
	RC=$? ERR=$(cat err)
	quiet && rc 1 && line "wrong  access: nobody may not ask comleased: the permissions of $COMLEASE_SOCKET are 0600" &&
		line "ok     broker: the socket $COMLEASE_SOCKET is there"
}
if [ "$(id -u)" = 0 ] && setpriv --reuid=nobody --clear-groups test -x "$BUILD/comlease" 2>/dev/null; then
	check "who may not ask is told" nobody
else
	skip "who may not ask is told" "not root, or the tree is closed to others"
fi
stop_broker

rm -f "$COMLEASE_SOCKET"
reading deaf python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("ready", flush=True)
c = s.accept()[0]
while c.recv(4096): pass
s.accept()' "$COMLEASE_SOCKET"
wait_line "$deaf" ready || exit 1
check "a broker that hangs is told, and not waited for" says \
	"wrong  broker: somebody listens at $COMLEASE_SOCKET and does not answer: nothing came for 3 seconds"
done_reading "$deaf"

# ---- on another machine ----

{
	board ttyS0
	adapter 2 0403:6001 FTDI "FT232R USB UART" A50285BI
	tty ttyUSB0 0 2 00 ftdi_sio
} >machine
elsewhere()
{
	rm -f "$COMLEASE_SOCKET"
	start_broker < <(port modem0)
	OUT=$(machine machine "$BUILD/comlease" doctor 2>err)
	RC=$? ERR=$(cat err)
	quiet && fits && line 'warn   unmanaged: comlease does not manage /dev/ttyUSB0 \(FT232R USB UART\)'
}
check "ports that are not managed are named" elsewhere
stop_broker

check "doctor --help says how, in 80 columns" eval \
	'prints "^usage: comlease doctor" doctor --help; out "Exit status" && [ "$(wc -L <<<"$OUT")" -le 80 ]'
. "$TREE/client/comlease.bash"
check "completion: the command and its options" eval 'completes "doctor" comlease do && completes "--quiet" comlease doctor --q'
check "usage, 64: doctor WORD" fails 64 'try .comlease doctor --help' doctor modem0

finish
