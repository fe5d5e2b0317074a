#!/bin/bash
# spy.sh - does `comlease spy` show what passes at a bridge, and find the right one?
#
# BUILD=build/release tests/spy.sh      TAP on stdout
#
# Bridges are spy_clients (tests/spy_client.c), which are told what passes. The names of ports have this test's scratch
# folder in them, which nobody else has had (a pid comes back): bridges are found in the whole network namespace, those of
# other tests too, also of one that was killed and has left its bridge.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
export TZ=UTC
cd "$SCRATCH" || exit 1
ID=spy${SCRATCH##*.}
P=$ID

# bridge NAME PORT LINK [TRANSCRIPT]: a bridge; ${BRIDGE[NAME]} is its pid. $AS: a command to run it by.
AS=""
declare -A BRIDGE BRIDGE_IN BRIDGE_OUT
bridge()
{
	local name=$1 in out
	shift
	mkfifo "$SCRATCH/$name.in" "$SCRATCH/$name.out"
	exec {in}<>"$SCRATCH/$name.in" {out}<>"$SCRATCH/$name.out"
	$AS "$BUILD/tests/spy_client" "$@" <"$SCRATCH/$name.in" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" {in}>&- {out}>&- &
	BRIDGE[$name]=$!
	BRIDGE_IN[$name]=$in
	BRIDGE_OUT[$name]=$out
	wait_line "$out" '^ready$'
}
# tell NAME ORDER
tell() { printf '%s\n' "$2" >&"${BRIDGE_IN[$1]}" && wait_line "${BRIDGE_OUT[$1]}" '^done$'; }
# end_bridge NAME [SIGNAL]: by itself, or by that signal
end_bridge()
{
	local in=${BRIDGE_IN[$1]} out=${BRIDGE_OUT[$1]}
	if [ $# -eq 1 ]; then tell "$1" end; else kill "-$2" "${BRIDGE[$1]}"; fi
	wait "${BRIDGE[$1]}" 2>/dev/null
	exec {in}>&- {out}>&-
	rm -f "$SCRATCH/$1.in" "$SCRATCH/$1.out"
}
# spy VARIABLE ARGUMENT...: `comlease spy` in the background, which has begun to read
spy()
{
	local variable=$1
	shift
	reading "$variable" comlease spy "$@" && wait_line "${!variable}" ' -- reading along at '
}

# try SENTENCE FUNCTION: check, with a port of its own and no bridge left behind
try()
{
	local name
	TRY=$((TRY + 1))
	P=$ID.$TRY
	check "$@"
	for name in "${!BRIDGE[@]}"; do
		kill -KILL "${BRIDGE[$name]}" 2>/dev/null && wait "${BRIDGE[$name]}" 2>/dev/null
		rm -f "$SCRATCH/$name.in" "$SCRATCH/$name.out"
	done
	BRIDGE=()
}
TRY=0

# ---- the command line ----

for words in "spy" "spy a b" "spy -x -r a" "spy --pid 0 a" "spy --pid x a" "spy --foo a"; do
	# shellcheck disable=SC2086
	check "usage, 64: comlease $words" fails 64 'try .comlease spy --help' $words
done
check "--help says how" eval 'cli spy --help; rc 0 && quiet && out "^usage: comlease spy" && out "Exit status"'
check "... in 80 columns" [ "$(comlease spy --help | wc -L)" -le 80 ]
check "no bridge, without a broker: 1, and what is missing" \
	fails 1 "^comlease: $P: there is no bridge of it, and only at a bridge .comlease bridge PORT LINK. one can read along$" spy "$P"
check "no such LINK: 1" fails 1 "^comlease: $SCRATCH/nothing: there is no bridge of it" spy "$SCRATCH/nothing"
check "a path that is something else: 1" fails 1 "^comlease: /dev/null: there is no bridge of it" spy /dev/null

# ---- what it shows ----

shows_what_passes()
{
	local s
	bridge b "$P" "$SCRATCH/link" && tell b '- line: 9600 8N1' && spy s "$P" || return 1
	[[ $LINE =~ $P,\ $SCRATCH/link:\ bridge\ pid\ ${BRIDGE[b]} ]] || { echo "says: $LINE"; return 1; }
	wait_line "$s" '^[0-9:]{8}\.[0-9]{3} -- line: 9600 8N1$' &&
		tell b '> ATZ\r' && wait_line "$s" '^[0-9:]{8}\.[0-9]{3} > ATZ\\r$' &&
		tell b '< \r\nOK \e[2J\\\r\n' && wait_line "$s" '^[0-9:]{8}\.[0-9]{3} < \\r\\n$' &&
		wait_line "$s" ' < OK \\x1b\[2J\\\\\\r\\n$' &&
		tell b '- granted: token 17' && wait_line "$s" ' -- granted: token 17$' &&
		tell b '< half' && end_bridge b &&
		wait_line "$s" ' < half$' && wait_line "$s" " -- the bridge .pid ${BRIDGE[b]}. has ended$" &&
		done_reading "$s" 0
}
try "it shows what passes, line by line, and ends with the bridge" shows_what_passes

shows_a_kill()
{
	local s
	bridge b "$P" "$SCRATCH/link" && spy s "$P" && end_bridge b KILL || return 1
	wait_line "$s" " -- the bridge .pid ${BRIDGE[b]}. has gone without a word; was it killed.$" &&
		done_reading "$s" 0 && ! grep "comlease-bridge/$P/" /proc/net/unix
}
try "a bridge that is killed: said, and nothing is left to be found" shows_a_kill

shows_hex()
{
	local s
	bridge b "$P" "$SCRATCH/link" && spy s --hex "$P" && tell b '< OK\r\n' || return 1
	wait_line "$s" ' < 4f 4b 0d 0a +[|]OK..[|]$' && end_bridge b && done_reading "$s" 0
}
try "--hex" shows_hex

gives_raw()
{
	local s text
	bridge b "$P" "$SCRATCH/link" && reading s comlease spy -r "$P" && reader_is_in || return 1
	tell b '> ATZ\r' && tell b '- an event' && tell b '< one\e[2J\n' && wait_line "$s" . || return 1
	[ "$LINE" = $'one\e[2J' ] || { echo "got: $LINE"; return 1; }
	end_bridge b && done_reading "$s" 0
}
# until the bridge has one reader: its own socket has a second entry then
reader_is_in()
{
	local i
	for ((i = 0; i < 500; i++)); do
		[ "$(grep -c "comlease-bridge/$P/" /proc/net/unix)" -ge 2 ] && return 0
		read -r -t 0.02 <> <(:)
	done
	echo "no reader has come"
	return 1
}
try "--raw: the device's bytes and nothing else" gives_raw

marks_what_it_missed()
{
	local s missed
	bridge b "$P" "$SCRATCH/link" && spy s "$P" && kill -STOP "${READERS[$s]}" || return 1
	tell b 'many 3000000' && tell b '- and an event' && kill -CONT "${READERS[$s]}" || return 1
	wait_line "$s" ' \.\.\. [0-9]+ bytes \(0 to the device\) and 1 event missed \.\.\.$' || return 1
	tell b '< after' && wait_line "$s" ' < after$' && end_bridge b && done_reading "$s" 0
}
try "a reader that is stopped holds up nobody, and is told what he missed" marks_what_it_missed

ends_with_its_output()
{
	bridge b "$P" "$SCRATCH/link" || return 1
	timeout 10 comlease spy "$P" | head -n 1 >/dev/null
	[ "${PIPESTATUS[0]}" = 0 ] || { echo "status ${PIPESTATUS[*]}"; return 1; }
	end_bridge b
}
try "it ends when nobody takes what it prints" ends_with_its_output

# ---- which bridge ----

finds_its_bridge()
{
	local s
	bridge one "$P" "$SCRATCH/one" && bridge two "$P" "$SCRATCH/two" && ln -s "$SCRATCH/two" "other name" || return 1
	is "${BRIDGE[two]}" "./other name" && is "${BRIDGE[one]}" "$(readlink one)" && is "${BRIDGE[one]}" --pid "${BRIDGE[one]}" "$P" &&
		fails 64 "^comlease: $P: 2 bridges; name one by --pid or by its LINK:" spy "$P" &&
		err "pid ${BRIDGE[one]} [^/]*$SCRATCH/one" && err "pid ${BRIDGE[two]} [^/]*$SCRATCH/two" &&
		fails 1 "there is no bridge of it that is process $$\$" spy --pid $$ "$P"
}
# is PID ARGUMENT...: it reads along at that one
is()
{
	local s pid=$1
	shift
	spy s "$@" && done_reading "$s"
	[[ $LINE == *" bridge pid $pid "* ]] || { echo "not pid $pid: $LINE"; return 1; }
}
try "of several bridges: by LINK, however it is written, by --pid; otherwise they are listed, 64" finds_its_bridge

finds_its_broker()
{
	local one=$SCRATCH/broker.one two=$SCRATCH/broker.two
	COMLEASE_SOCKET=$one bridge one "$P" "$SCRATCH/one" && COMLEASE_SOCKET=$two bridge two "$P" "$SCRATCH/two" || return 1
	is "${BRIDGE[one]}" -s "$one" "$P" && is "${BRIDGE[two]}" -s "$two" "$P" && end_bridge one || return 1
	fails 1 "^comlease: $P: there is no bridge of it at this broker, but one at $two: name that one with -s\$" spy -s "$one" "$P" &&
		is "${BRIDGE[two]}" -s "$one" "$SCRATCH/two" && is "${BRIDGE[two]}" -s "$one" --pid "${BRIDGE[two]}" "$P" &&
		(unset COMLEASE_SOCKET && is "${BRIDGE[two]}" "$P")
}
try "of bridges of several brokers: the one of the broker that is asked" finds_its_broker

finds_link_here()
{
	bridge one "$P" "$SCRATCH/here" && is "${BRIDGE[one]}" here
}
try "the LINK of a bridge in this folder needs no slash" finds_link_here

full()
{
	local i s all=()
	bridge b "$P" "$SCRATCH/link" || return 1
	for i in 1 2 3 4 5 6 7 8; do spy s "$P" && all+=("$s"); done
	fails 75 'has as many readers as it takes; end another comlease spy$' spy "$P" || return 1
	for s in "${all[@]}"; do done_reading "$s"; done
	end_bridge b
}
try "the ninth reader is refused: 75" full

stopped()
{
	bridge b "$P" "$SCRATCH/link" && kill -STOP "${BRIDGE[b]}" || return 1
	fails 75 "^comlease: the bridge, pid ${BRIDGE[b]} .*, does not answer; is it stopped" spy "$P"
	local result=$?
	end_bridge b KILL
	return $result
}
try "a bridge that is stopped: 75, and said" stopped

# shellcheck source=../client/comlease.bash
. "$TREE/client/comlease.bash"
completed()
{
	bridge b "$P" "$SCRATCH/link" && bridge c "$P-x" "$SCRATCH/link" || return 1
	completes "$P-x" comlease spy "$P-" && completes "--raw" comlease spy --r && completes "$P-x" comlease spy --pid 5 "$P-" &&
		completes "" comlease spy "$P-x" "$P"
}
try "completion: ports that have a bridge" completed

# ---- users ----

# as UID COMMAND...
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
if [ "$(id -u)" != 0 ]; then
	for what in "a bridge of root refuses another user" "another user's bridge is not entered, but named" "root reads along at anybody's"; do
		skip "$what" "needs root"
	done
elif ! as 65534 test -x "$BUILD/comlease"; then
	skip "users" "user 65534 can't reach $BUILD"
else
	as_user() { OUT=$(as "$1" timeout 30 comlease spy "$P" 2>"$SCRATCH/err"); RC=$?; ERR=$(cat "$SCRATCH/err"); }
	chmod 777 "$SCRATCH"
	roots_refuses()
	{
		bridge b "$P" "$SCRATCH/link" || return 1
		as_user 65534
		end_bridge b
		rc 77 && err "^comlease: $P: the bridge is not yours, but that of pid [0-9]+ \(user root\): only that user and root may read along$"
	}
	try "a bridge of root refuses another user: 77" roots_refuses
	squatter()
	{
		local s
		chmod 777 . && reading s setpriv --reuid 65533 --regid 65533 --clear-groups socat -u "ABSTRACT-LISTEN:comlease-bridge/$P/1.0,unix-tightsocklen=1" - || return 1
		local i
		for ((i = 0; i < 500; i++)); do grep -q "comlease-bridge/$P/" /proc/net/unix && break; read -r -t 0.02 <> <(:); done
		as_user 65534
		done_reading "$s"
		rc 77 && err "^comlease: $P: the bridge is not yours, but that of pid [0-9]+ \(uid 65533\): only that user and root may read along$"
	}
	try "another user's bridge is not entered, but named: 77" squatter
	root_may()
	{
		local s AS="setpriv --reuid 65533 --regid 65533 --clear-groups"
		bridge b "$P" "$SCRATCH/users" && spy s "$P" || return 1
		[[ $LINE == *"bridge pid ${BRIDGE[b]} (uid 65533)" ]] && tell b '< OK\n' && wait_line "$s" ' < OK\\n$' && end_bridge b &&
			done_reading "$s" 0
	}
	try "root reads along at anybody's" root_may
fi

# ---- with a broker: who has the port ----

A=$ID-a B=$ID-b POOL=$ID-pool
start_modems "$A" "$B"
start_broker <<-END
	$(port "$A")
	$(port "$B")
	[pool $POOL]
	ports = $A $B
END

no_bridge()
{
	fails 1 "^comlease: $A: there is no bridge of it, [^;]*$" spy "$A" && hold other "$A" &&
		fails 1 "^comlease: $A: there is no bridge of it, .*; the port is held by [a-z]+ \(pid ${HOLDER[other]}, " spy "$A"
	local result=$?
	release other
	return $result
}
try "no bridge: who has the port is named" no_bridge
check "no such port: 66, and those that there are" fails 66 "no port .$ID-c.*$A, $B" spy "$ID-c"

holder_is_chosen()
{
	bridge one "$A" "$SCRATCH/one" && bridge two "$A" "$SCRATCH/two" && tell two "have $A" || return 1
	is "${BRIDGE[two]}" "$A" && fails 1 "there is no bridge of it" spy --pid 1 "$A" && end_bridge one && end_bridge two
}
try "of several bridges of a port: the one that has it" holder_is_chosen

from_a_pool()
{
	bridge b "$POOL" "$SCRATCH/one" && tell b "have $B" || return 1
	is "${BRIDGE[b]}" "$POOL" && is "${BRIDGE[b]}" "$B" && fails 1 "there is no bridge of it" spy "$A" && end_bridge b
}
try "a bridge of a pool is found by the port that it got" from_a_pool

# ---- comlease bridge ----

# real_bridge COMMAND...: starts it as a service manager does; $REAL is its pid
real_bridge()
{
	local notify i
	rm -f "$SCRATCH/notify"
	reading notify socat -u "UNIX-RECV:$SCRATCH/notify" -
	for ((i = 0; i < 500; i++)); do [ -S "$SCRATCH/notify" ] && break; read -r -t 0.02 <> <(:); done
	NOTIFY_SOCKET=$SCRATCH/notify "$@" >"$SCRATCH/bridge.out" 2>&1 &
	REAL=$!
	BRIDGE[real]=$REAL
	wait_line "$notify" '^READY=1$' || { cat "$SCRATCH/bridge.out"; return 1; }
	done_reading "$notify"
	return 0
}
# use LINK: a program that opens it, resets the modem, and goes
use()
{
	local line i
	exec {line}<>"$1" || return 1
	printf 'ATZ\r' >&"$line"
	IFS= read -r -t 10 -d K _ <&"$line"
	i=$?
	exec {line}>&-
	return $i
}

real()
{
	local s
	real_bridge comlease bridge --spy "$SCRATCH/transcript" "$A" "$SCRATCH/v" && spy s "$A" && use "$SCRATCH/v" || return 1
	wait_line "$s" ' > ATZ\\r$' && wait_line "$s" ' < .*OK' && kill "$REAL" && wait "$REAL" || return 1
	wait_line "$s" "the bridge .pid $REAL. has ended" && done_reading "$s" 0 || return 1
	[ "$(stat -c %a transcript)" = 600 ] && grep -q "^-- $(date +%F) " transcript && grep -q ' > ATZ\\r$' transcript &&
		grep -q ' < .*OK' transcript && grep -q ' -- granted' transcript && return 0
	cat transcript
	return 1
}
try "comlease bridge --spy, and comlease spy beside it" real

# ---- comlease-bridge@.service ----

unit=$SCRATCH/prefix/lib/systemd/system/comlease-bridge@.service
mkdir -p prefix/bin etc/default && ln -s "$BUILD/comlease" prefix/bin/comlease
check "the unit is installed, with every @word@ replaced" eval \
	'make -s -C "$TREE" install-units prefix="$SCRATCH/prefix" sysconfdir="$SCRATCH/etc" && ! grep "@[a-z]*@" "$unit"'
if command -v systemd-analyze >/dev/null; then
	verified() { OUT=$(systemd-analyze --man=no verify "$unit" 2>&1); RC=$?; rc 0 && [ -z "$OUT" ] || explain "systemd says:"; }
	check "systemd-analyze verify has nothing to say about it" verified
else
	skip "systemd-analyze verify has nothing to say about it" "systemd is not installed"
fi

# What systemd makes of ExecStart, but for the folder.
its_command()
{
	local line s words
	printf 'BRIDGE_OPTIONS="--label unit --group %s --mode 660"\n' "$(id -gn)" >"etc/default/comlease-bridge-$A"
	eval "$(sed -n "s|%i|$A|g; s|^EnvironmentFile=-|. |p" "$unit")"
	line=$(sed -n "s|%i|$A|g; s|/run/|$SCRATCH/run/|g; s|^ExecStart=||p" "$unit")
	mkdir -p "run/comlease-bridge/$A"
	eval "words=($line)"
	real_bridge "${words[@]}" && spy s "$SCRATCH/run/comlease-bridge/$A/tty-$A" && use "$SCRATCH/run/comlease-bridge/$A/tty-$A" || return 1
	wait_line "$s" ' < .*OK' && kill "$REAL" && wait "$REAL" && done_reading "$s" 0
}
try "its command is one of ours, and says when it is ready" its_command

check "the broker ends cleanly" stop_broker

finish
