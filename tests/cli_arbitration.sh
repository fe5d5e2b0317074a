#!/bin/bash
# cli_arbitration.sh - does the command line show and steer what a real broker arbitrates?
#
# BUILD=build/release tests/cli_arbitration.sh      TAP on stdout
#
# What is pinned: that each state which cli_canned.sh has words for comes from comleased as those words
# expect it (classes and places, standby and calls, pools, hand-off, foreign holders, disabled ports), and
# that evict, disable, enable, handoff, busy and idle do what they say. The ports are soft modems; modem1 is
# left alone between leases, so that a foreign program can open it.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1
unset COMLEASE_CLASS COMLEASE_STANDBY
me=$(id -un)
clock='[0-9]+:[0-9][0-9]'

# line PATTERN: one whole line of stdout; shows PATTERN ARGUMENT...: status 0, that line
line() { grep -qE "^$1\$" <<<"$OUT" || explain "no line of stdout is: $1"; }
shows()
{
	local pattern=$1
	shift
	cli "$@"
	rc 0 && quiet && line "$pattern"
}
# holder NAME, waiter NAME: the sh of hold NAME or ask NAME, as a pattern
who_is() { echo "sh \(pid ${HOLDER[$1]}, user $me\)"; }


start_modems modem0 modem1
start_broker < <(printf '[broker]\n'
	port modem0 'order = mail dialup fax' 'class-of = sh:dialup' 'age-step = 3600' 'max-hold = none fax:7200' 'yield-grace = 60'
	port modem1 'own = leased'
	printf '[pool modem]\nports = modem0 modem1\n')
check "the ports come up" eval 'wait_port modem0 "\"state\":\"free\"" && wait_port modem1 "\"state\":\"free\""'

# What monitor says of all this is looked at in the end.
comlease monitor >events 2>/dev/null &
MONITOR=$!
wait_events() # PATTERN
{
	local lines result
	following lines events
	wait_line "$lines" "$1"
	result=$?
	done_reading "$lines"
	return $result
}

# ---- pools ----

check "status: the pool" shows 'pool modem: modem0, modem1' status
check "status POOL: its ports" eval 'cli status modem; line "modem0 .*" && line "modem1 .*"'
check "who POOL: 66, and its ports" fails 66 'modem is a pool: name one of its ports: modem0, modem1' who modem
in_pool()
{
	hold any modem && shows "    .*pool modem.*" status || return 1
	release any
}
check "a holder that asked for the pool" in_pool

# ---- classes, places, and why ----

hold first modem0 -c mail -l first
ask third modem0 -c fax -p 9 -l third
check "somebody waits" wait_port modem0 '"waiting":1'
ask second modem0 -l second
check "another one waits" wait_port modem0 '"waiting":2'
check "status: the holder's class" shows '    label: first, class mail' status modem0
check "status: by class, not by priority; the class is that of class-of, and why is said" eval '
	cli status modem0; line " +1  $(who_is second) .* class dialup  second.*" && line " +2  $(who_is third) .* class fax  priority 9  third.*"'
check "... every waiter has a why" eval '[ "$(comlease status --json modem0 | grep -o "\"why\":\"[^\"]" | wc -l)" = 2 ]'
check "who: the class" shows "modem0: $(who_is first), label first, class mail, since .*; 2 waiting" who modem0

# ---- hand-off ----

check "handoff: to nobody of that name, 1" fails 1 'does not wait for it; who does: label second' handoff modem0 --to secnd
check "handoff: by label, past the one who is next" shows "modem0: goes to $(who_is third) when $(who_is first) closes it" handoff modem0 --to third
release first
check "... and so it goes" granted third
check "status: when the time of its class is over" shows '    label: third, class fax, at the latest until .*' status modem0
check "handoff: by pid" shows "modem0: goes to $(who_is second) when $(who_is third) closes it" handoff modem0 --to "${HOLDER[second]}"
release third
check "... and so it goes too" granted second
release second
check "handoff: nobody has it, 1" eval 'wait_port modem0 "\"state\":\"free\"" && fails 1 modem0 handoff modem0 --to x'
check "monitor: the hand-off" wait_events 'modem0  handoff +.*'

# ---- disable, enable ----

hold first modem0
check "disable: who has it goes on" shows "modem0: disabled: \"new SIM\"; $(who_is first) goes on until it closes it" disable modem0 new SIM
check "status: disabled, and held" shows '    disabled: new SIM' status modem0
ask second modem0
check "a waiter stays" wait_port modem0 '"waiting":1'
release first
check "... even when the port is free" wait_port modem0 '"state":"disabled".*"waiting":1'
check "who: nobody, 1" eval 'cli who modem0; rc 1 && out "modem0: nobody; disabled: new SIM; 1 waiting"'
check "enable" shows 'modem0: enabled; 1 waiting' enable modem0
check "... and the waiter has it" granted second
release second
check "enable: it was not disabled" shows 'modem0: was not disabled' enable modem0
check "monitor: disabled, and enabled" eval 'wait_events "modem0  disable +.*new SIM" && wait_events "modem0  enable "'

# ---- standby, calls ----

hold answerer modem0 --standby -c fax -l answerer
check "status: standby" shows '    label: answerer, class fax, standby.*' status modem0
check "busy" shows 'modem0: in a call: its holder is not asked to let go' busy modem0
ask mail modem0 -c mail
check "a waiter waits for the call to end" wait_port modem0 '"waiting":1'
check "status: in a call" shows "    label: answerer, class fax, standby, in a call since $clock.*" status modem0
check "idle" shows 'modem0: no longer in a call' idle modem0
check "... and the standby holder gives way" granted mail
check "status: it waits behind all others" shows " +1  $(who_is answerer) .*  class fax  answerer  standby.*" status modem0
release mail
check "... and comes back" granted answerer
check "monitor: busy, idle, yield" eval '
	wait_events "modem0  busy +.* is in a call" && wait_events "modem0  idle +.* is no longer in a call" &&
	wait_events "modem0  yield +.* is asked to let go: somebody else waits, .*class fax"'
check "busy with the lease of an earlier one: 1" eval 'COMLEASE_PORT=modem0 COMLEASE_TOKEN=${TOKEN[first]} fails 1 . busy'
kill "${HOLDER[answerer]}"
check "a standby run ends when it is told to" eval 'wait "${HOLDER[answerer]}"; wait_port modem0 "\"state\":\"free\""'
check "busy: nobody has the port, 1" fails 1 modem0 busy modem0
check "busy: no such port, 66" fails 66 'no port .modm0.; did you mean modem0' busy modm0

mkfifo deaf.in
exec {DEAF_IN}<>deaf.in
deaf()
{
	reading DEAF comlease run --standby modem0 -- sh -c 'trap "" TERM; echo up; read -r x <deaf.in'
	wait_line "$DEAF" '^up'
}
check "a standby holder that does not listen has the port" deaf
ask mail modem0 -c mail
check "... is asked" wait_port modem0 '"state":"yielding"'
check "status: who asks, and how long there is" shows "    asked by $(who_is mail) to let go within ([0-9]+ s|1 min)" status modem0
if can_revoke; then
	check "revoke takes it" eval 'comlease revoke modem0 && granted mail && release mail'
else
	skip "revoke takes it" "needs CAP_SYS_ADMIN"
	kill "${HOLDER[mail]}"
fi
kill -KILL "${READERS[$DEAF]}" # so that it does not start the command again
echo now >&"$DEAF_IN"
done_reading "$DEAF" KILL

# ---- foreign holders ----

# foreign: a sleep that has modem1 open and did not ask; it ends by itself if nobody ends it
foreign()
{
	sleep 30 <>modem1 &
	FOREIGN=$!
	wait_port modem1 '"state":"foreign".*"foreign":\{' # he has been looked for, and found
}
gone() { kill "$FOREIGN" 2>/dev/null; wait "$FOREIGN" 2>/dev/null; wait_port modem1 '"state":"free"'; }
check "somebody opens a port and does not ask: foreign" foreign
sleeper="(sleep|bash) \(pid $FOREIGN, user $me\)"
check "status: who it is" shows "    foreign: $sleeper has it open since $clock.*" status modem1
check "who: who it is, 0" shows "modem1: foreign: $sleeper has it open since $clock.*" who modem1
check "--json: with the user's name" eval 'comlease status --json modem1 | grep -q "\"foreign\":{[^}]*\"user\":\"$me\""'
check "revoke: that is no lease, 1" fails 1 "modem1: nobody holds a lease; $sleeper has it without comlease: comlease evict modem1" revoke modem1
check "monitor: foreign" wait_events "modem1  foreign +$sleeper has it without comlease"
disabled_meanwhile()
{
	comlease disable modem1 && kill "$FOREIGN" && ! wait "$FOREIGN" 2>/dev/null && wait_port modem1 '"state":"disabled"' &&
		comlease enable modem1 && wait_port modem1 '"state":"free"'
}
check "... who goes while the port is disabled, and is not looked for for ever afterwards" disabled_meanwhile
check "foreign again" foreign
sleeper="(sleep|bash) \(pid $FOREIGN, user $me\)"
ask patient modem1
check "a waiter waits for him" wait_port modem1 '"waiting":1'
check "evict --term: he goes" shows "modem1: taken from $sleeper" evict --term modem1
check "... and the waiter has the port" granted patient
wait "$FOREIGN"
check "... it was SIGTERM" [ $? = 143 ]
check "evict: who has a lease is not foreign, 1" fails 1 "modem1: nobody has it without comlease; $(who_is patient) has a lease: comlease revoke modem1" evict modem1
release patient
check "evict: nobody, 1" eval 'wait_port modem1 "\"state\":\"free\"" && fails 1 "modem1: nobody has it without comlease$" evict modem1'
if can_revoke; then
	check "foreign again" foreign
	hangs_up()
	{
		shows "modem1: taken from (sleep|bash) \(pid $FOREIGN, user $me\)" evict modem1 &&
			wait_port modem1 '"state":"free"' && kill -0 "$FOREIGN"
	}
	check "evict: the line is hung up, the process stays" hangs_up
	gone >/dev/null
	check "monitor: evicted" wait_events "modem1  evict +.* is cut off"

	hold owner modem1
	sleep 30 <>modem1 &
	FOREIGN=$!
	check "somebody opens a held port: intruder" wait_port modem1 '"intruder":'
	sleeper="(sleep|bash) \(pid $FOREIGN, user $me\)"
	check "status: the intruder" shows "    intruder: $sleeper has it open since $clock.*" status modem1
	check "who: the holder and the intruder" shows "modem1: $(who_is owner),.* since .*; intruder: $sleeper .*" who modem1
	check "monitor: the intruder" wait_events "modem1  intruder +$sleeper.* opened it beside the holder"
	kill "$FOREIGN"
	release owner
else
	skip "evict by hang-up, an intruder" "needs CAP_SYS_ADMIN"
fi

# ---- not allowed, completion ----

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && setpriv --reuid 65534 --regid 65534 --clear-groups -- test -x "$BUILD/comlease"; then
	denied() # PATTERN ARGUMENT...
	{
		local pattern=$1
		shift
		OUT=$(timeout 30 setpriv --reuid 65534 --regid 65534 --clear-groups -- comlease "$@" 2>err)
		RC=$? ERR=$(cat err)
		rc 77 && err "$pattern"
	}
	chmod 666 socket
	hold first modem0
	check "disable by anybody: 77, and who may" denied 'modem0: only root, .*`disable`' disable modem0
	check "enable by anybody: 77" denied 'modem0: only root, .*`disable`' enable modem0
	check "evict by anybody: 77" denied 'modem0: only root, .*`evict`' evict modem0
	check "handoff of another's lease: 77" denied 'modem0: held by .*: only that user' handoff modem0 --to x
	release first
else
	skip "not allowed: 77" "needs root, and a tree that nobody can reach"
fi

# shellcheck source=../client/comlease.bash
. "$TREE/client/comlease.bash"
check "completion: ports and pools" completes "modem0 modem1 modem" comlease status mod
hold first modem0
ask second modem0 -l mail-beta
check "somebody with a label waits" wait_port modem0 '"waiting":1'
check "completion: labels of waiters" completes "mail-beta" comlease handoff modem0 --to m
release first
granted second >/dev/null
release second

kill "$MONITOR"
check "the broker ends cleanly" stop_broker
finish
