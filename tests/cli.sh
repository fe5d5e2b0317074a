#!/bin/bash
# cli.sh - does `comlease` do what comlease(1) says?
#
# BUILD=build/release tests/cli.sh      TAP on stdout
#
# What is pinned: each exit status, the help, what the table, JSON, events and messages name (not how wide
# the columns are), what a command gets from `run` and what becomes of its signals and status. The broker is a
# real one; the ports are soft modems. The wire and the shim have tests of their own; what is said of classes,
# standby, pools and foreign holders is in cli_canned.sh and cli_arbitration.sh.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1

me=$(id -un)

# ---- without a broker ----

helps() # COMMAND
{
	cli "$1" --help
	rc 0 && quiet && out "^usage: comlease $1" && out 'Exit status' &&
		{ [ "$(wc -L <<<"$OUT")" -le 80 ] || explain "a line of more than 80 columns"; }
}
for command in status run who revoke monitor evict disable enable handoff busy idle; do
	check "$command --help says how, in 80 columns" helps "$command"
done
check "--help lists the commands" prints 'comlease monitor.* comlease busy .* comlease handoff .* comlease evict ' --help
check "... in 80 columns" eval 'cli --help; [ "$(wc -L <<<"$OUT")" -le 80 ]'
check "help COMMAND is COMMAND --help" prints '^usage: comlease who' help who
check "--version" prints '^comlease [0-9]+\.[0-9]+\.[0-9]+$' --version

check "no command: usage, 64" fails 64 '^usage: comlease'
check "an unknown command: 64, and what was meant" fails 64 'did you mean .comlease status' statsu
for words in "status --foo" "who" "who a b" "revoke" "revoke --token x modem0" "monitor --foo" "evict" "evict a b" "disable" \
	"disable --term a" "enable" "enable a b" "handoff modem0" "handoff --to x" "handoff modem0 --to=" "busy" "busy a b" "idle" "run" "run modem0 --" \
	"run -w x true" "run -w -1 true" "run -n -w 1 true" "run -E 256 true" "run -p 101 true" "run -p 1x true" "run -l a/b true" "-s"; do
	# shellcheck disable=SC2086
	check "usage, 64: comlease $words" fails 64 'try .comlease.* --help' $words
done

no_broker() { fails 69 "^comlease: no broker at $SCRATCH/socket: start comleased .* -s$" "$@"; }
check "no broker, 69: status" no_broker status
check "no broker, 69: status --watch" no_broker status --watch
check "no broker, 69: run" no_broker run true
check "no broker, 69: run PORT" no_broker run modem0 -- true
check "no broker, 69: who" no_broker who modem0
check "no broker, 69: revoke" no_broker revoke modem0
check "no broker, 69: monitor" no_broker monitor
for words in "evict modem0" "disable modem0" "enable modem0" "handoff modem0 --to x" "busy modem0" "idle modem0"; do
	# shellcheck disable=SC2086
	check "no broker, 69: $words" no_broker $words
done

# ---- a broker that hangs ----

reading deaf python3 -c '
import signal, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("ready", flush=True)
signal.pause()' "$COMLEASE_SOCKET"
wait_line "$deaf" ready || exit 1
check "a broker that hangs is not waited for: 75, and who tells more" fails 75 \
	"^comlease: $SCRATCH/socket: the broker does not answer: nothing came for 10 seconds; comlease doctor tells what to do\$" status
done_reading "$deaf"
rm -f "$COMLEASE_SOCKET"

# ---- a broker without ports ----

start_broker <<<""
check "no port is configured: status says how to add one" prints 'device = /dev/ttyUSB0' status
check "no port is configured: --json is an empty list" prints '^\{"ports":\[\],"pools":\[\],"lockDir":"[^"]*"\}$' status --json
check "the folder of the lock files is told, and commands have it" prints "^$SCRATCH/lock\$" run sh -c 'echo "$COMLEASE_LOCK_DIR"'
check "no port is configured: run PORT, 66" fails 66 'no port is configured' run modem0 -- true
stop_broker

# ---- status ----

start_modems modem0 board1
start_broker < <(port modem0; port board1; printf '[port gone]\ndevice = %s/gone\nhangup-ms = 0\n' "$SCRATCH"
	can_revoke || echo "revocation = none")
check "the ports come up" wait_port modem0 '"state":"free"'

table_of_free_ports()
{
	prints "modem0 +$SCRATCH/modem0 +free +- " status && out 'gone .* absent' &&
		prints '^PORT +DEVICE +STATE +HOLDER +SINCE' status board1 && [[ $OUT != *modem0* ]]
}
check "status: a row for each port, or for those named" table_of_free_ports
socket_option()
{
	COMLEASE_SOCKET=/nonexistent prints modem0 -s "$SCRATCH/socket" status &&
		COMLEASE_SOCKET=/nonexistent prints modem0 status --socket="$SCRATCH/socket"
}
check "-s stands before the command or after it" socket_option
check "output that can't be written is an error, 71" eval '! comlease status >/dev/full 2>err && grep -q "No space" err'
check "standard output that is closed, too" eval '! comlease status >&- 2>err && grep -q "Bad file descriptor" err'
closed_as_found()
{
	comlease run modem0 -- sh -c 'readlink /proc/$PPID/fd/2; readlink /proc/self/fd/2 || echo closed' <&- 2>&- >out
	[ "$(cat out)" = "/dev/null"$'\n'closed ] || { cat out; return 1; }
}
check "run without standard error: what it says gets into no port, and the command has none either" closed_as_found

for words in "status modm0" "who modm0" "revoke modm0" "monitor modm0" "run modm0 -- true" "evict modm0" "disable modm0" \
	"enable modm0" "handoff modm0 --to x"; do
	# shellcheck disable=SC2086
	check "no such port, 66: $words" fails 66 'no port `modm0`; did you mean modem0\?.*board1' $words
done

check "no such port, and none like it: the ports that there are" \
	fails 66 'no port `xyz`; ports: .*modem0' status xyz

# An installed tree that was copied elsewhere: its own shim, not that of the prefix.
mkdir -p copy/bin copy/lib
cp "$BUILD/comlease" copy/bin
cp "$BUILD/libcomlease-shim.so" copy/lib
elsewhere() { OUT=$(copy/bin/comlease run -- sh -c 'echo "$LD_PRELOAD"') && [ "$OUT" = "$SCRATCH/copy/lib/libcomlease-shim.so" ]; }
if [[ ${LD_PRELOAD-} ]]; then
	skip "run from a copied tree" "LD_PRELOAD is set"
else
	check "run from a copied tree takes the shim in it" elsewhere
fi

hold first modem0 -l fax-bonn
ask second modem0 -l mail-beta -p 3
check "the second one waits" wait_port modem0 '"waiting":1'
check "the table names the holder: command, pid, user, since when" \
	prints "modem0 +[^ ]+ +held +sh \(pid ${HOLDER[first]}, user $me\) +[0-9]+:[0-9]+ \([0-9]+ (s|min)\)" status
check "... what he calls his work" prints 'label: fax-bonn' status
check "... and the queue: place, who, how long, priority, label" \
	prints " 1  sh \(pid ${HOLDER[second]}, user $me\)  [0-9]+ s  priority 3  mail-beta" status
cat >shape.py <<'END'
import json, sys
text = sys.stdin.read()
ports = json.loads(text)["ports"]
assert text.count("\n") == 1
assert [p["name"] for p in ports] == ["modem0", "board1", "gone"], ports
port, lease, waiter = ports[0], ports[0]["lease"], ports[0]["waiters"][0]
assert port["state"] == "held" and port["waiting"] == 1 and port["device"].endswith("/modem0")
assert lease["token"] == int(sys.argv[1]) and lease["label"] == "fax-bonn" and lease["since"] > 1.6e12
assert lease["owner"] == {"pid": int(sys.argv[2]), "uid": int(sys.argv[4]), "user": sys.argv[5], "command": "sh"}
assert waiter["place"] == 1 and waiter["owner"]["pid"] == int(sys.argv[3]) and waiter["owner"]["user"] == sys.argv[5]
assert ports[1]["waiters"] == [] and "lease" not in ports[1] and ports[2]["state"] == "absent"
END
json_shape() { comlease status --json | python3 shape.py "${TOKEN[first]}" "${HOLDER[first]}" "${HOLDER[second]}" "$UID" "$me"; }
check "--json is List's reply, with user names" json_shape
check "who: the holder, 0" prints \
	"^modem0: sh \(pid ${HOLDER[first]}, user $me\), label fax-bonn, since .*; 1 waiting$" who modem0
check "who: by the device's path" prints '^modem0: sh' who "$SCRATCH/modem0"
check "who: by another path of the device" prints '^modem0: sh' who "../${SCRATCH##*/}/./modem0"
check "who: by the pty behind it" prints '^modem0: sh' who "$(readlink -f modem0)"
check "who: nobody, 1" eval 'cli who board1; rc 1 && out "^board1: nobody; free"'
check "who: no port has that device, 66" fails 66 'no port has the device /dev/null' who /dev/null
check "the waiting one has said whom he waits for" \
	says second.err "^comlease: modem0: held by sh \(pid ${HOLDER[first]}, user $me\) since [0-9:]+; waiting \(next in line\)$"
check "... once" eval '[ "$(wc -l <second.err)" = 1 ]'

ends() # NAME STATUS
{
	release "$1" "$2"
	local result=$?
	[ $result = "$2" ] || { echo "status $result, not $2"; return 1; }
}

# ---- not in time ----

not_in_time() { fails 75 "modem0: held by sh \(pid ${HOLDER[first]}, user $me\) since" run "$@" modem0 -- true; }
check "run -n: 75 at once, and who has it" not_in_time -n
check "run -w: 75 in time, and who has it" not_in_time -w 0.2
check "run -E changes that status" fails 9 'modem0: held by' run -n -E 9 modem0 -- true
check "run -n on a device that is not there: 75, and its path, once" \
	fails 75 'gone: [^ :]+: no such device$' run -n gone -- true
check "run -w likewise" fails 75 gone run -w 0.2 gone -- true

# ---- hand-over, --watch, monitor ----

reading WATCH comlease status --watch modem0
check "--watch prints the table" wait_line "$WATCH" "held +sh \(pid ${HOLDER[first]}"
reading EVENTS comlease monitor --json modem0
reading LINES comlease monitor
# an event of our own shows that both are listening; it may take a few
listening()
{
	local try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		comlease run -n -l "probe$try" board1 -- true 2>/dev/null
		comlease run -n modem0 -- true 2>/dev/null
		read -r -t 1 -u "$LINES" LINE && return 0
	done
	return 1
}
check "monitor prints lines as they come" listening
check "the first one's command ends: run passes its status on" ends first 5
granted second
check "the second one has the port" eval '[ "${TOKEN[second]}" -gt "${TOKEN[first]}" ]'
check "--watch prints the change" wait_line "$WATCH" "held +sh \(pid ${HOLDER[second]}"
check "monitor --json: the end" wait_line "$EVENTS" "\"event\":\"end\".*\"reason\":\"released\"|\"reason\":\"released\".*\"event\":\"end\""
check "... is JSON, with its members" python3 -c '
import json, sys
e = json.loads(sys.argv[1])
assert e["port"] == "modem0" and e["token"] == int(sys.argv[2]) and e["held"] >= 0 and e["time"] > 1.6e12
assert e["owner"]["user"] == sys.argv[3]' "$LINE" "${TOKEN[first]}" "$me"
check "monitor --json: the grant" wait_line "$EVENTS" "\"event\":\"grant\""
check "monitor: the end, for people" wait_line "$LINES" \
	"^[A-Z][a-z]+ +[0-9]+ [0-9:.]+  modem0  end +sh \(pid ${HOLDER[first]}, user $me\): released, .*token ${TOKEN[first]}.* held "
check "monitor: the grant, for people" wait_line "$LINES" \
	"  modem0  grant +sh \(pid ${HOLDER[second]}, user $me\), label mail-beta, token ${TOKEN[second]}, waited "
for fd in $WATCH $EVENTS $LINES; do done_reading "$fd"; done

# ---- revoke ----

check "revoke --token of another lease: 1, the holder stays" \
	eval 'fails 1 "^comlease: modem0: that lease has ended; another one holds the port$" revoke --token "${TOKEN[first]}" modem0 && comlease who modem0'
if can_revoke; then
	revoke()
	{
		prints "^modem0: taken back from sh \(pid ${HOLDER[second]}, user $me\); lease ${TOKEN[second]} is over$" \
			revoke modem0 --token "${TOKEN[second]}" --reason 'flash time'
	}
	check "revoke takes the port and says from whom" revoke
	check "the holder's run ends with its command's status" ends second 6
	check "... and has said why" grep -q 'modem0: the command has lost the port: revoked.*flash time' second.err
	check "revoke of a free port: 1" eval 'wait_port modem0 "\"state\":\"free\"" && cli revoke modem0; rc 1 && err modem0'
else
	skip "revoke" "needs CAP_SYS_ADMIN"
	check "revoke where the port can't be taken back: 78" fails 78 modem0 revoke modem0
	release second
fi

# ---- run PORT ----

# run0 STATUS PATTERN COMMAND...: with modem0; that status, that on stdout
run0()
{
	local status=$1 pattern=$2
	shift 2
	cli run -w 20 modem0 -- "$@"
	rc "$status" && out "$pattern"
}
check "run PORT: descriptor 3 waits for a byte (no O_NONBLOCK)" run0 0 "^flags:.*[0-3]...$" \
	sh -c 'grep ^flags: /proc/self/fdinfo/3 | grep -v "[4-7]...\$"'
check "run PORT: descriptor 3 is the device" run0 0 "^$(readlink -f modem0)$" readlink /proc/self/fd/3
check "... COMLEASE_FD, PORT, DEVICE, TOKEN, KEY say which" run0 0 "^3 modem0 $PWD/modem0 [0-9]+ [0-9a-f]{32}$" \
	sh -c 'echo $COMLEASE_FD $COMLEASE_PORT $COMLEASE_DEVICE $COMLEASE_TOKEN $COMLEASE_KEY'
check "... {} in its words is the device" run0 0 "^$PWD/modem0 a$PWD/modem0""b $PWD/modem0$PWD/modem0 x$" echo {} a{}b {}{} x
no_other_descriptor()
{
	local before after
	before=$(timeout 30 ls /proc/self/fd | wc -l)
	after=$(timeout 30 comlease run -w 20 modem0 -- ls /proc/self/fd | wc -l)
	[ "$after" = $((before + 1)) ] || { echo "$before descriptors before, $after under run"; return 1; }
}
check "... no other descriptor of ours" no_other_descriptor
check "run PORT passes the status on" run0 7 '' sh -c 'exit 7'
check "128+N for a signal" run0 137 '' sh -c 'kill -KILL $$'
check "126: not executable" run0 126 '' /etc/passwd
check "127: not found, before any wait" fails 127 'nosuch: command not found' run gone -- nosuch
check "127: PORT without -- is explained" fails 127 'modem0 is a port' run modem0 true
check "its own opens join the lease" run0 0 '^in$' timeout 10 sh -c 'exec 4<>{} 5<>{}; echo in'
check "... so does a run inside, for the same port" run0 0 '^inner$' comlease run -n modem0 -- echo inner
check "the modem answers on the device's path" run0 0 '' timeout 10 sh -c \
	'exec 4<>{}; stty raw -echo <&4; printf "AT\r" >&4; grep -qm1 OK <&4'

# in_background COMMAND...: run modem0 with it, whose first line is "up"; descriptor $SAID gives the others
in_background()
{
	reading SAID comlease run -w 20 modem0 -- "$@"
	RUN=${READERS[$SAID]}
	wait_line "$SAID" '^up'
}
ends_with() # STATUS
{
	local result
	done_reading "$SAID" 0
	result=$?
	[ $result = "$1" ] || { echo "status $result, not $1"; return 1; }
}
cat >sigwait.py <<'END'
import signal, sys
signals = {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("up", flush=True)
print("got", signal.sigwait(signals).name, flush=True)
sys.exit(4)
END
passes_on() { in_background python3 sigwait.py && kill "-$1" "$RUN" && wait_line "$SAID" "^got SIG$1" && ends_with 4; }
for signal in TERM HUP USR1 USR2 INT; do
	check "SIG$signal sent to run reaches the command" passes_on $signal
done

cat >stop.py <<'END'
# The command stops itself as ^Z would stop it: run has to stop too, by the same signal, and go on with it.
import os, signal, sys
script = "import os, signal, sys; os.kill(os.getpid(), signal.SIGTSTP); sys.exit(3)"
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.execvp("comlease", ["comlease", "run", "modem0", "--", sys.executable, "-c", script])
_, status = os.waitpid(pid, os.WUNTRACED)
assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP, status
os.kill(pid, signal.SIGCONT)
_, status = os.waitpid(pid, 0)
assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 3, status
END
check "a command that stops stops run, and goes on with it" timeout 30 python3 stop.py

killed_run()
{
	local fd
	mkfifo go
	exec {fd}<>go
	in_background sh -c 'echo up; read -r x <go; echo done' || return 1
	kill -KILL "$RUN"
	ends_with 137
	comlease who modem0 || return 1
	echo now >&"$fd"
	wait_port modem0 '"state":"free"'
}
check "run killed with -9: the command keeps the port until it ends" killed_run
left_behind()
{
	local fd
	exec {fd}<>go
	cli run -w 20 modem0 -- sh -c '(read -r x <go) >/dev/null 2>&1 & exit 2'
	rc 2 && comlease who modem0 || return 1
	echo now >&"$fd"
	wait_port modem0 '"state":"free"'
}
check "a process left behind with descriptor 3 keeps the port" left_behind
check "a command's name can't act on a terminal" eval '
	ln -sf "$(command -v sleep)" "evil$(printf "\033[31m")"
	comlease run -w 20 modem0 -- "./evil$(printf "\033[31m")" 30 & evil=$!
	wait_port modem0 "\"state\":\"held\"" && comlease status >table; comlease who modem0 >>table
	kill $evil; wait $evil 2>/dev/null
	! LC_ALL=C grep -q "$(printf "\033")\|$(printf "\xe2\x80\xae")" table && [ "$(grep -c evil table)" = 2 ]'

# ---- run without PORT ----

shim_environment='^1 forever '$SCRATCH'/socket '$SCRATCH'/modem0:'$SCRATCH'/board1:'$SCRATCH'/gone [^:]*/libcomlease-shim.so:?$'
environment()
{
	prints "$shim_environment" run sh -c \
		'echo $COMLEASE_REQUIRE $COMLEASE_WAIT $COMLEASE_SOCKET $COMLEASE_DEVICES $LD_PRELOAD'
}
check "run: the environment that the shim reads" environment
check "run -w, -n, -p, -l: likewise" eval '
	prints "^2 5 mine$" run -w 2 -p 5 -l mine sh -c "echo \$COMLEASE_WAIT \$COMLEASE_PRIORITY \$COMLEASE_LABEL" &&
	prints "^0$" run -n sh -c "echo \$COMLEASE_WAIT" && prints "^0.250$" run -w .25 sh -c "echo \$COMLEASE_WAIT"'
check "run without -n and -w: a COMLEASE_WAIT of the user's stays" eval '
	COMLEASE_WAIT=3 prints "^3$" run sh -c "echo \$COMLEASE_WAIT"'
check "run: the socket's path is absolute" eval 'prints "^$PWD/socket$" run -s socket sh -c "echo \$COMLEASE_SOCKET"'
check "run: options after COMMAND are its own" prints '^-n -w x -- y$' run sh -c 'echo "$*"' -n -n -w x -- y
check "run -- COMMAND: no PORT, whatever follows" prints '^-- x$' run -- echo -- x
status_is_its_own() { cli run sh -c 'exit 7'; rc 7 && { cli run sh -c 'kill -TERM $$'; rc 143; }; }
check "run: status and signals are the command's own" status_is_its_own
same_process()
{
	reading SAID comlease run sh -c 'echo "up $$"'
	wait_line "$SAID" "^up ${READERS[$SAID]}$"
}
check "run: it becomes the command" same_process
check "run: 127 and 126" eval 'fails 127 "nosuch: command not found" run nosuch && fails 126 "passwd: can.t be executed" run /etc/passwd'
hold third modem0
open_while_held() # the shim's EBUSY at the end of the wait
{
	cli run "$@" sh -c "exec 4<>$SCRATCH/modem0"
	[ "$RC" != 0 ] && err 'busy'
}
check "run -n: a program that opens a port in use gets EBUSY" open_while_held -n
check "run -w: after the wait" open_while_held -w 0.2
reading SAID comlease run -w 20 sh -c "exec 4<>$SCRATCH/modem0; echo up"
check "run: another one waits in its open()" wait_port modem0 '"waiting":1'
release third
check "... and has the port when it is free" wait_line "$SAID" '^up'
done_reading "$SAID" 0

# ---- not allowed, completion, colours ----

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }
	if as_nobody test -x "$BUILD/comlease"; then
		denied()
		{
			OUT=$(as_nobody comlease status 2>err)
			RC=$? ERR=$(cat err)
			rc 77 && err "$SCRATCH/socket: no permission"
		}
		chmod 600 socket
		check "no permission for the socket: 77" denied
		nameless()
		{
			ERR=$(setpriv --reuid 4242 --regid 65534 --clear-groups -- comlease status 2>&1)
			err "$SCRATCH/socket: no permission: it belongs to group root, and uid 4242 is not in it"
		}
		chmod 660 socket
		chgrp root socket
		if getent passwd 4242 >/dev/null; then
			skip "no permission, for a uid without a name" "there is a user 4242"
		else
			check "no permission: the missing group's name, for a uid without one too" nameless
		fi
		chmod 666 socket
		hold fourth modem0
		not_allowed()
		{
			OUT=$(as_nobody comlease revoke modem0 2>err)
			RC=$? ERR=$(cat err)
			rc 77 && err 'modem0: held by sh .*: only that user, root'
		}
		check "revoke of another user's lease: 77" not_allowed
		release fourth
	else
		skip "no permission: 77" "user nobody can't reach $BUILD"
	fi
else
	skip "no permission: 77" "needs root"
fi

# shellcheck source=../client/comlease.bash
. "$TREE/client/comlease.bash"
check "completion: commands" completes "status" comlease st
check "completion: ports" completes "modem0" comlease -s "$SCRATCH/socket" who mo
check "completion: options" completes "--watch" comlease status --w
check "completion: -- after run PORT" completes "--" comlease run -w 5 modem0 ""

if [ "$(id -u)" = 0 ] && ! findmnt -nro OPTIONS --target "$SCRATCH" | grep -qw nosuid; then
	install -m 4755 -o nobody "$BUILD/tests/seccomp_client" setuid
	install -m 600 /dev/null secret
	set_id() # STATUS OF THE OPEN, PATTERN OF STDERR, ARGUMENT...: ./setuid opens what only root may
	{
		local opened=$1 said=$2
		shift 2
		cli run "$@" ./setuid open secret r
		rc 0 && out "^open $opened" && if [ -n "$said" ]; then err "$said"; else quiet; fi
	}
	check "set-user-ID, static: no rights, a warning" set_id 3 'set-user-ID: under seccomp .* user nobody, or hold the port'
	check "and with PORT: its rights, and no seccomp" set_id '-1 EACCES' '' modem0 --
	check "nor those under --seccomp" set_id 3 'set-user-ID: under seccomp .* or leave --seccomp out' --seccomp modem0 --
else
	skip "set-user-ID programs" "needs root, and a folder that is not nosuid"
fi

if command -v script >/dev/null; then
	on_terminal() { script -qec "$1" /dev/null </dev/null; }
	escape=$(printf '\033')
	check "colours on a terminal" eval 'on_terminal "env -u NO_COLOR comlease status" | grep -q "$escape\["'
	check "none with NO_COLOR" eval '! on_terminal "env NO_COLOR=1 comlease status" | grep -q "$escape"'
	check "none into a pipe" eval '! comlease status | grep -q "$escape"'
	check "--json is indented on a terminal" eval 'on_terminal "comlease status --json" | grep -q "^  \"ports\""'
else
	skip "colours" "needs script(1)"
fi

check "the broker ends cleanly" stop_broker
finish
