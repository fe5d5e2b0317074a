#!/bin/bash
# vm_guest.sh - what the guest of vm_suite.py runs: installs comlease, then the tests, one part after another
#
# Started by systemd as root (tests/vm) with the tests' folder mounted at /tests. TAP, and what the host is asked
# for (see vm_suite.py), go over one line, descriptor 9. The machine is the tests' own and is thrown away: nothing
# is tidied up here that the next test doesn't need tidy.
#
# Parts: vm_guest_plug.sh, vm_guest_dirt.sh, vm_guest_drain.sh, vm_guest_unit.sh,
# vm_guest_bridge.sh, vm_guest_rule.sh.

set -u
shopt -s extglob
exec 9<>/dev/virtio-ports/control </dev/null
# No test waits so long, in seconds, on a machine that has anything to itself. This one is emulated, and its host busy.
PATIENCE=120
SCRATCH=/run/vm
mkdir -p -m 755 "$SCRATCH" && cd "$SCRATCH" || exit 1
NUMBER=0

# ---- TAP ----

ok() { NUMBER=$((NUMBER + 1)); echo "ok $NUMBER - $1" >&9; }
not_ok() { NUMBER=$((NUMBER + 1)); echo "not ok $NUMBER - $1" >&9; }
note() { printf '%s\n' "$*" | sed 's/^/# /' >&9; }

# check SENTENCE COMMAND...: as in lib.sh. On failure what it printed is a note, and the broker's last words too.
check()
{
	local sentence=$1
	shift
	if "$@" >said 2>&1 9>&9; then
		ok "$sentence"
	else
		not_ok "$sentence"
		note "$*" "$(tail -n 20 said)"
		note "$(journalctl -q -b -n 8 -o cat -u comleased.service)"
		# What it has left is not the next one's trouble.
		pkill -f '^/tests/vm_client|^comlease run'
	fi
}

# same WHAT EXPECTED FOUND
same() { [ "$2" = "$3" ] || { printf '%s: expected and found:\n%s\n%s\n' "$1" "$2" "$3"; return 1; }; }
says() { grep -qE -- "$2" <<<"$1" || { printf 'no "%s" in:\n%s\n' "$2" "$1"; return 1; }; }
not() { ! "$@"; }

# ---- the host, and waiting ----

# host VERB WORD...: what it answers is in $ANSWER.
host()
{
	echo "@$*" >&9
	read -r -t 200 -u 9 ANSWER || { echo "host: no answer to $*"; return 1; }
	case $ANSWER in
	+*) ANSWER=${ANSWER#+} ;;
	*) echo "host: $ANSWER"; return 1 ;;
	esac
}

# eventually COMMAND...: for what nothing tells of.
eventually()
{
	local end=$((SECONDS + PATIENCE)) said
	until said=$("$@" 2>&1); do
		[ $SECONDS -lt $end ] || { printf 'not within %s s: %s\n%s\n' $PATIENCE "$*" "$said"; return 1; }
		sleep 0.1
	done
}

# line FD PATTERN: as wait_line of lib.sh.
line()
{
	local seen=""
	while IFS= read -r -t $PATIENCE -u "$1" LINE; do
		[[ $LINE =~ $2 ]] && return 0
		seen+=$LINE$'\n'
	done
	printf 'never came: %s\nbut:\n%s' "$2" "$seen"
	return 1
}

# port PORT PATTERN: until its JSON matches.
port()
{
	local fd pid result
	exec {fd}< <(exec comlease status --json --watch "$1" 2>&1)
	pid=$!
	line $fd "$2"
	result=$?
	kill $pid
	wait $pid # it would go on with a comleased that is started again
	exec {fd}<&-
	return $result
}
is_free() { port "$1" '"state":"free".*"waiting":0'; }
json() { comlease status --json "$@"; }
# field JSON NAME: of the first that there is.
field() { sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p" <<<"$1" | head -n 1; }
token() { field "$(json "$1" | sed 's/.*"lease"//')" token; }
# as USER COMMAND...
as() { setpriv --reuid="$1" --regid="$1" --init-groups env -u COMLEASE_SOCKET "${@:2}"; }
pid_of_service() { systemctl show -P MainPID comleased.service; }
restarted()
{
	local old
	old=$(pid_of_service)
	systemctl restart comleased.service && [ "$old" != "$(pid_of_service)" ]
}

# background NAME COMMAND...: its words are read with `line ${OUT[NAME]}`. release NAME: ends what stays; its status.
declare -A OUT IN PID
background()
{
	local name=$1 in out
	shift
	rm -f "$name.in" "$name.out"
	mkfifo "$name.in" "$name.out"
	exec {in}<>"$name.in" {out}<>"$name.out"
	"$@" <"$name.in" >"$name.out" 2>&1 {in}>&- {out}>&- 9>&- &
	PID[$name]=$!
	IN[$name]=$in
	OUT[$name]=$out
}
# ask NAME PORT ACTION...: `comlease run PORT -- vm_client ACTION...` in the background. hold: and has it.
ask() { background "$1" comlease run -l "$1" "$2" -- /tests/vm_client "${@:3}"; }
hold() { ask "$@" stay && line "${OUT[$1]}" '^staying'; }
release()
{
	local in=${IN[$1]} out=${OUT[$1]} pid=${PID[$1]} result
	echo >&"$in" # not its end: whoever was started later may have the fifo open as well
	timeout $PATIENCE tail -s 0.1 --pid="$pid" -f /dev/null || { echo "$1 does not end"; kill -9 "$pid"; }
	wait "$pid"
	result=$?
	exec {in}>&- {out}>&-
	return $result
}
# once PORT ACTION...: a lease that ends by itself.
once() { local port=$1; shift; timeout $PATIENCE comlease run -w $PATIENCE "$port" -- /tests/vm_client "$@" 9>&-; }

# ---- far ends ----

hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
# far PORT COUNT: waits for so many bytes at the far end of one of the three ports; in hex in $FAR. 0: all that is
# there.
far()
{
	if [ "$1" = acm0 ]; then
		# A read() that nothing comes for ends, after 25 s: cat and head take that for the end.
		stty raw -echo min 0 time $(($2 ? 250 : 5)) <&"$GADGET"
		FAR=$({ if [ "$2" = 0 ]; then cat; else head -c "$2"; fi } <&"$GADGET" | od -An -v -tx1 | tr -d ' \n')
	else
		host far "$1" "$2" $PATIENCE || return 1
		FAR=${ANSWER#*:}
	fi
}
# far_ends PORT TEXT: waits until what arrives there ends so; it is forgotten then.
far_ends()
{
	local end=$((SECONDS + PATIENCE)) all=""
	until far "$1" 0 && all+=$FAR && [[ $all == *$(hex "$2") ]]; do
		[ $SECONDS -lt $end ] || { echo "what arrives does not end with $2: $(tail -c 200 <<<"$all")"; return 1; }
		sleep 0.1
	done
}
# far_says PORT TEXT
far_says()
{
	if [ "$1" = acm0 ]; then printf %s "$2" >&"$GADGET"; else host say "$1" "$(hex "$2")"; fi
}

# ---- the run ----

bring_comlease() { dpkg -i /tests/debs/*.deb; }

note "up after $(cut -d' ' -f1 /proc/uptime) s: $(uname -r), $(systemctl --version | head -n 1)"
check "the packages install themselves on a running machine" bring_comlease
for part in $(</tests/parts); do
	. "/tests/vm_guest_$part.sh"
	note "after $part: $(cut -d' ' -f1 /proc/uptime) s"
done
echo "1..$NUMBER" >&9
sleep infinity # the host ends it
