# lib.sh - a scratch folder, soft modems, a broker, holders, and TAP (sourced by the shell tests)
#
# Responsible for starting and ending what a test needs, and for waiting by events: every wait here is a
# read from a pipe with a timeout. Nothing of the system is touched, and at the end nothing of it is left.
#
# Gives: $BUILD (absolute; in front in PATH), $SCRATCH, $COMLEASE_SOCKET, and for each port NAME the link
# $SCRATCH/NAME, its device.

BUILD=$(cd "${BUILD:-build/release}" && pwd) || exit 1
PATH=$BUILD:$PATH
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/comlease.XXXXXX") || exit 1
chmod 711 "$SCRATCH" # other users reach the socket
export COMLEASE_SOCKET=$SCRATCH/socket
unset COMLEASE_PORT COMLEASE_DEVICE COMLEASE_FD COMLEASE_TOKEN COMLEASE_KEY COMLEASE_WAIT COMLEASE_LABEL
# A sanitized shim is loaded into programs that are not: its run-time library comes late there, and their
# leaks are not ours. (comlease, comleased and the library are looked at for leaks by other tests.)
export ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0:detect_leaks=0"
NUMBER=0
FAILED=0
BROKER=""
declare -A READERS # descriptor -> the process that it reads from

clean_up()
{
	local job
	[ "$BASHPID" = $$ ] || return # a subshell that dies of an error comes here too
	for job in $(jobs -p) "${READERS[@]}"; do kill "$job" 2>/dev/null; done
	wait
	rm -rf "$SCRATCH"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# ---- TAP ----

ok() { NUMBER=$((NUMBER + 1)); echo "ok $NUMBER - $1"; }
skip() { NUMBER=$((NUMBER + 1)); echo "ok $NUMBER - $1 # SKIP $2"; }
not_ok() { NUMBER=$((NUMBER + 1)); FAILED=1; echo "not ok $NUMBER - $1"; }
note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check SENTENCE COMMAND...: the command's success is the test's. What it prints becomes a note on failure.
check()
{
	local sentence=$1
	shift
	if "$@" >"$SCRATCH/said" 2>&1; then
		ok "$sentence"
	else
		not_ok "$sentence"
		[ ! -s "$SCRATCH/said" ] || note "$(cat "$SCRATCH/said")"
	fi
}

finish() { echo "1..$NUMBER"; exit $FAILED; }

# ---- waiting ----

# wait_line FD PATTERN: the next line that matches (an extended regular expression) is in $LINE.
wait_line()
{
	while IFS= read -r -t 10 -u "$1" LINE; do
		[[ $LINE =~ $2 ]] && return 0
	done
	echo "never came: $2"
	return 1
}

# reading VARIABLE COMMAND...: starts it; the variable becomes a descriptor that gives what it prints.
reading()
{
	local variable=$1 fd
	shift
	exec {fd}< <(exec "$@")
	READERS[$fd]=$!
	printf -v "$variable" %s "$fd"
}

# following VARIABLE FILE: what is and will be in it; whoever writes it may be about to create it.
following()
{
	: >>"$2" && reading "$1" tail -n +1 -f "$2"
}

# done_reading FD [SIGNAL]: ends that process (SIGNAL 0: waits for its end) and returns its status.
done_reading()
{
	local fd=$1 pid=${READERS[$1]} result
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	result=$?
	exec {fd}<&-
	unset "READERS[$1]"
	return $result
}

# wait_port PORT PATTERN: until the port's JSON, as `status --json --watch` prints it, matches.
wait_port()
{
	local changes result
	reading changes comlease status --json --watch "$1"
	wait_line "$changes" "$2"
	result=$?
	done_reading "$changes"
	return $result
}

# ---- modems and the broker ----

# start_modems NAME...: one soft modem each, at $SCRATCH/NAME, with the numbers 100, 101...
start_modems()
{
	local name number=100 modems=()
	for name; do
		modems+=("$SCRATCH/$name=$number")
		number=$((number + 1))
	done
	reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 10 -l "$SCRATCH/modems.log" "${modems[@]}"
	wait_line "$MODEMS" '^ready$' || exit 1
}

# TIOCVHANGUP needs CAP_SYS_ADMIN.
can_revoke() { (($((0x$(sed -n 's/^CapEff:\t//p' /proc/self/status))) >> 21 & 1)); }

# port NAME [LINE...]: the section of a port with a device in $SCRATCH that needs no second to hang up.
port()
{
	printf '[port %s]\ndevice = %s\nhangup-ms = 0\n' "$1" "$SCRATCH/$1"
	can_revoke || echo "revocation = none"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@"
}

# start_broker: with the configuration on stdin; its log is $SCRATCH/broker.log.
start_broker()
{
	local log
	# The machine's own lock files are none of ours.
	mkdir -p -m 1777 "$SCRATCH/lock"
	awk -v dir="$SCRATCH/lock" '{ print } $0 == "[broker]" { print "lock-dir = " dir; done = 1 }
		END { if (!done) print "[broker]\nlock-dir = " dir }' >"$SCRATCH/conf"
	: >"$SCRATCH/broker.log"
	comleased -c "$SCRATCH/conf" -s "$COMLEASE_SOCKET" --state-dir "$SCRATCH/state" \
		2>>"$SCRATCH/broker.log" &
	BROKER=$!
	following log "$SCRATCH/broker.log"
	wait_line "$log" 'start socket=' || { note "no broker: $(cat "$SCRATCH/broker.log")"; exit 1; }
	done_reading "$log"
}

stop_broker()
{
	local result
	kill "$BROKER" && wait "$BROKER"
	result=$?
	BROKER=""
	return $result
}

# ---- holders ----

# hold NAME PORT [OPTION...]: `comlease run OPTION... PORT` in the background: returns when it has the port.
# ${HOLDER[NAME]} is its pid, ${TOKEN[NAME]} its lease, $SCRATCH/NAME.err what it said.
declare -A HOLDER TOKEN HOLD_IN HOLD_OUT
hold()
{
	ask "$@" && granted "$1"
}

# The two halves: asking, and having been granted.
ask()
{
	local name=$1 port=$2 in out
	shift 2
	mkfifo "$SCRATCH/$name.in" "$SCRATCH/$name.out" 2>/dev/null
	exec {in}<>"$SCRATCH/$name.in" {out}<>"$SCRATCH/$name.out"
	comlease run "$@" "$port" -- sh -c 'echo "up $COMLEASE_TOKEN"; read -r status; exit "$status"' \
		<"$SCRATCH/$name.in" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" {in}>&- {out}>&- &
	HOLDER[$name]=$!
	HOLD_IN[$name]=$in
	HOLD_OUT[$name]=$out
}
granted()
{
	wait_line "${HOLD_OUT[$1]}" '^up ' || { cat "$SCRATCH/$1.err"; return 1; }
	TOKEN[$1]=${LINE#up }
}

# release NAME [STATUS]: its command ends with that status; returns what `comlease run` returned.
release()
{
	local in=${HOLD_IN[$1]} out=${HOLD_OUT[$1]} result
	echo "${2:-0}" >&"$in"
	wait "${HOLDER[$1]}"
	result=$?
	exec {in}>&- {out}>&-
	return $result
}
