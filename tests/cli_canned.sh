#!/bin/bash
# cli_canned.sh - does `comlease` say what the broker answered, for people, and ask what was meant?
#
# BUILD=build/release tests/cli_canned.sh      TAP on stdout
#
# What is pinned: the words for everything that arbitration brought (foreign holders, intruders, disabled
# ports, calls in progress, yielding, classes, pools, why somebody waits), the parameters that each command
# sends, each error's exit status. The broker is canned.py, whose answers stand here: what a real one does is
# in cli_arbitration.sh.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1
me=$(id -un)
now=$(date +%s)000
clock='[0-9]+:[0-9][0-9]'

# process PID COMMAND, and with these a lease, a waiter, a foreign holder of that process: JSON
process() { echo "{\"pid\":$1,\"uid\":$UID,\"command\":\"$2\"}"; }
lease() { echo "{\"token\":17,\"port\":\"modem0\",\"device\":\"/dev/ttyS7\",\"owner\":$(process 812 efax),\"since\":$now,\"waited\":0,\"descriptions\":1${1-}}"; }
waiter() { echo "{\"place\":$1,\"owner\":$(process "$2" "$3"),\"since\":$now,\"priority\":0,\"standby\":false,\"why\":\"\"${4-}}"; }
foreign() { echo "{\"process\":$(process 4312 minicom),\"how\":\"has it open\",\"since\":$now,\"others\":0${1-}}"; }
# port STATE [MEMBERS [NAME]]: one port
port() { echo "{\"name\":\"${3-modem0}\",\"device\":\"/dev/ttyS7\",\"state\":\"$1\",\"since\":$now,\"disabled\":false,\"revocable\":true,\"waiting\":0,\"waiters\":[]${2-}}"; }

# answer METHOD MESSAGE: from now on. list PORT,PORT... [POOLS]: what List says.
declare -A ANSWERS
answer()
{
	local method all=""
	ANSWERS[$1]=$2
	for method in "${!ANSWERS[@]}"; do all+=",\"io.comlease.$method\":${ANSWERS[$method]}"; done
	echo "{${all#,}}" >answers
}
list() { answer List "{\"parameters\":{\"ports\":[$1]${2+,\"pools\":[$2]}}}"; }
error() { echo "{\"error\":\"$1\",\"parameters\":{\"port\":\"modem0\"${2:+,\"message\":\"$2\"}}}"; }

# sent TEXT: the last call has that in it; the parameters' names are sorted
sent()
{
	local call
	call=$(tail -n 1 "$COMLEASE_SOCKET.calls")
	[[ $call == *"$1"* ]] || { echo "sent was: $call, expected: $1"; return 1; }
}
# line PATTERN: one whole line of stdout
line() { grep -qE "^$1\$" <<<"$OUT" || explain "no line of stdout is: $1"; }
absent() { ! grep -qE "$1" <<<"$OUT" || explain "stdout has: $1"; }
# shows PATTERN ARGUMENT...: status 0, that whole line
shows()
{
	local pattern=$1
	shift
	cli "$@"
	rc 0 && quiet && line "$pattern"
}

list ''
reading FAKE python3 "$TREE/tests/canned.py" "$COMLEASE_SOCKET" answers
wait_line "$FAKE" '^ready$' || exit 1

minicom="minicom \(pid 4312, user $me\)"
efax="efax \(pid 812, user $me\)"
uucico="uucico \(pid 900, user $me\)"

# ---- status: who is in the way ----

list "$(port foreign ",\"reason\":\"minicom has it open\",\"foreign\":$(foreign ',"unit":"x.service"')")"
check "foreign: who, how, since when, in which unit" shows "    foreign: $minicom has it open since $clock \(unit x.service\)" status
check "... the state is in the table, and nobody holds it" shows "modem0  /dev/ttyS7  foreign  -  .*" status
check "... the broker's reason would say it twice" eval 'cli status; absent "^    minicom"'
check "who: the foreign holder, 0" shows "modem0: foreign: $minicom has it open since $clock \(unit x.service\)" who modem0
list "$(port foreign ",\"foreign\":$(foreign ',"unit":"c0ffee","others":2')")"
check "foreign: in a container, with others" shows "    foreign: $minicom has it open since $clock \(container c0ffee\); \+2 more" status
list "$(port foreign ',"foreign":{"how":"locked by LCK..ttyS7","since":0,"others":0},"waiting":2')"
check "foreign: a process that can't be seen is not nobody" shows "    foreign: a process that I can't see: locked by LCK..ttyS7" status
check "who: likewise, 0" shows "modem0: foreign: a process that I can't see: locked by LCK..ttyS7; 2 waiting" who modem0
list "$(port held ",\"lease\":$(lease),\"intruder\":$(foreign)")"
check "intruder: beside the holder" shows "    intruder: $minicom has it open since $clock" status
check "who: the holder and the intruder" \
	shows "modem0: $efax, since $clock \([0-9]+ s\); intruder: $minicom has it open since $clock; 0 waiting" who modem0
list "$(port free ",\"intruder\":$(foreign)")"
check "who: an intruder alone is somebody, 0" shows "modem0: intruder: $minicom has it open since $clock" who modem0
list "$(port held ",\"lease\":$(lease),\"notice\":\"the lock file can't be taken\"")"
check "the notice" shows "    notice: the lock file can't be taken" status

login="/dev/ttyS7 is a login terminal: agetty (pid 4312, uid 0, serial-getty@ttyS7.service) would come back at once; systemctl disable --now serial-getty@ttyS7.service"
list "$(port foreign ",\"reason\":\"$login\",\"foreign\":$(foreign)")"
check "a login terminal: why it is not worth waiting for, and the way out" shows "    ${login//[()]/.}" status
check "... and who it is" line "    foreign: $minicom has it open since $clock"

# ---- status: where the device is ----

# at DEVICE NODE [STATE [MEMBERS]]: what the row of modem0 has from its second column on
at() { list "$(port "${3-free}" "${4-}${2:+,\"node\":\"$2\"}" | sed "s|/dev/ttyS7|$1|")"; }
at /dev/ttyUSB0 /dev/ttyUSB0
check "device: the node as configured" shows "modem0  /dev/ttyUSB0  free .*" status
at /dev/serial/by-id/usb-FTDI_A50285BI-if00-port0 /dev/ttyUSB1
check "device: a link of udev's, and where it leads" \
	shows "modem0  /dev/serial/by-id/usb-FTDI_A50285BI-if00-port0 -> ttyUSB1  free .*" status
at /run/comlease/port/modem0 /dev/ttyUSB1 free ',"link":true'
check "device: found by its serial number: the node alone" shows "modem0  /dev/ttyUSB1  free .*" status
check "... JSON has both" eval 'cli status --json
	[[ $OUT == *\"device\":\"/run/comlease/port/modem0\"*\"node\":\"/dev/ttyUSB1\"* ]] || explain "not both"'
at /run/comlease/port/modem0 "" absent ',"link":true,"reason":"not plugged in: usb-serial = A50285BI"'
check "device: found by its serial number, and not there: since when and which" eval '
	shows "modem0  -       absent  -       $clock.*" status && line "    not plugged in: usb-serial = A50285BI"'
at /home/ann/port/modem0 /dev/ttyUSB1
check "device: somebody else's link is none of ours" shows "modem0  /home/ann/port/modem0 -> ttyUSB1  free .*" status
at /tmp/modem0 /dev/pts/7
check "device: the number of a pty says nothing" shows "modem0  /tmp/modem0  free .*" status

# ---- status: disabled ----

list "$(port disabled ',"disabled":true,"reason":"new SIM"')"
check "disabled: with its reason" shows '    disabled: new SIM' status
check "who: nobody, 1" eval 'cli who modem0; rc 1 && line "modem0: nobody; disabled: new SIM"'
list "$(port disabled ',"disabled":true,"reason":"disabled: new SIM"')"
check "... once, if the reason says so itself" eval '
	shows "    disabled: new SIM" status && cli who modem0; rc 1 && line "modem0: nobody; disabled: new SIM"'
list "$(port disabled ',"disabled":true')"
check "disabled: without one" shows '    disabled: nobody gets it until comlease enable' status
list "$(port held ",\"disabled\":true,\"reason\":\"new SIM\",\"lease\":$(lease)")"
check "disabled while somebody goes on" shows '    disabled: new SIM' status
list "$(port absent ',"disabled":true,"reason":"no such device"')"
check "disabled and absent: both" eval 'shows "    no such device" status && line "    disabled: nobody gets it until comlease enable"'

# ---- status: the lease ----

later=$((now + 5400000))
list "$(port held ",\"lease\":$(lease ",\"label\":\"answerer\",\"class\":\"fax\",\"standby\":true,\"pool\":\"modem\",\"busySince\":$now,\"until\":$later")")"
check "the lease: label, class, standby, pool, call, max-hold" \
	shows "    label: answerer, class fax, standby, pool modem, in a call since $clock, at the latest until ([A-Z][a-z]+ +[0-9]+ )?$clock" status
check "who: class, standby, call" shows \
	"modem0: $efax, label answerer, class fax, standby, since $clock \([0-9]+ s\), in a call since $clock; 0 waiting" who modem0
list "$(port held ",\"lease\":$(lease ',"standby":false')")"
list "$(port free ',"lease":null,"foreign":null,"intruder":null,"reason":null,"notice":null')"
check "null is the same as nothing" eval 'shows "modem0  /dev/ttyS7  free   -  .*" status && [ "$(wc -l <<<"$OUT")" = 2 ] && { cli who modem0; rc 1; }'
list "$(port held ",\"lease\":$(lease ',"standby":false')")"
check "nothing of it where there is nothing" eval 'cli status; absent "standby|class|call|until"'
soon=$((now + 60000))
list "$(port yielding ",\"lease\":$(lease ",\"yieldBy\":$soon"),\"waiting\":1,\"waiters\":[$(waiter 1 900 uucico)]")"
check "yielding: who asks, and how long there is" shows "    asked by $uucico to let go within [0-9]+ (s|min)" status
list "$(port yielding ",\"lease\":$(lease ",\"yieldBy\":1"),\"waiting\":1,\"waiters\":[$(waiter 1 900 uucico)]")"
check "yielding: the time is up" shows "    asked by $uucico to let go at once" status
list "$(port yielding ",\"lease\":$(lease ",\"until\":1,\"yieldBy\":$soon")")"
check "yielding: max-hold is over, nobody asks" shows "    its time is over: asked to let go within [0-9]+ (s|min)" status

# ---- status: the queue ----

one=$(waiter 1 900 uucico ',"class":"mail","priority":3,"label":"mail-beta","pool":"modem"')
two=$(waiter 2 901 efax ',"class":"fax","standby":true')
list "$(port held ",\"lease\":$(lease),\"waiting\":2,\"waiters\":[${one/'"why":""'/'"why":"mail is first in the order"'},$two]")"
check "waiters: place, who, how long, class, priority, label, pool, why" shows \
	"       1  $uucico +[0-9]+ s  class mail  priority 3  mail-beta  pool modem  \(mail is first in the order\)" status
check "... standby" shows "       2  efax \(pid 901, user $me\) +[0-9]+ s  class fax  standby" status

if command -v script >/dev/null; then
	narrow()
	{
		OUT=$(script -qec "stty cols 80; NO_COLOR=1 comlease status" /dev/null </dev/null | tr -d '\r')
		RC=0
		[ "$(wc -L <<<"$OUT")" -le 80 ] || explain "a line of more than 80 columns"
	}
	long='mail is the first class in the order of this port, and nobody of that class came earlier'
	list "$(port held ",\"reason\":\"$long\",\"lease\":$(lease ",\"label\":\"$(printf 'l%.0s' {1..64})\",\"class\":\"$(printf 'c%.0s' {1..64})\",\"standby\":true,\"busySince\":$now"),\"waiting\":1,\"waiters\":[${one/'"why":""'/"\"why\":\"$long\""}],\"notice\":\"$long\"")" \
		'{"name":"modem","ports":["modem0","modem1","modem2","modem3","modem4","modem5","modem6","modem7","modem8","modem9"]}'
	check "80 columns: nothing is wider" narrow
	check "... why stands beneath" line "          \(mail is the first class in the order of this port, and nobody of that"
	check "... no line ends with a blank" absent ' $'
	check "... and no word is lost" eval '[ "$(grep -o "came earlier" <<<"$OUT" | wc -l)" = 3 ] && line " +class c+," && line " +standby, in a call since $clock"'
	check "... pools go on in the next line" line "    modem[789](, modem[89])*"
else
	skip "80 columns" "needs script(1)"
fi

# ---- pools, JSON, what is not ours to print ----

list "$(port free),$(port held ",\"lease\":$(lease)" modem1)" '{"name":"modem","ports":["modem0","modem1"]},{"name":"lab","ports":[]}'
check "pools stand beneath the table" shows 'pool modem: modem0, modem1' status
check "... also one without ports" shows 'pool lab: no port at present' status
check "status POOL asks for it by name" eval 'cli status modem; sent "\"ports\": [\"modem\"]"'
check "who POOL: 66, and its ports" fails 66 'modem is a pool: name one of its ports: modem0, modem1$' who modem
check "revoke, evict, handoff POOL: likewise" eval '
	fails 66 "is a pool" revoke modem && fails 66 "is a pool" evict modem && fails 66 "is a pool" handoff modem --to x'
check "--json passes pools through" prints '"pools":\[\{"name":"modem","ports":\["modem0","modem1"\]\}' status --json
list "$(port foreign ",\"unheard\":[1],\"foreign\":$(foreign),\"intruder\":$(foreign)")"
users() { comlease status --json | python3 -c 'import json, sys
port = json.load(sys.stdin)["ports"][0]
assert port["unheard"] == [1]
assert port["foreign"]["process"]["user"] == port["intruder"]["process"]["user"] == sys.argv[1]' "$me"; }
check "--json: what is not known to us stays, and strangers have users" users

evil='x\u001b[31m\u202ey'
list "$(port foreign ",\"reason\":\"$evil\",\"notice\":\"$evil\",\"foreign\":{\"process\":$(process 1 "$evil"),\"how\":\"$evil\",\"unit\":\"$evil\",\"since\":0,\"others\":0}" "$evil"),$(port disabled ",\"disabled\":true,\"reason\":\"$evil\",\"intruder\":$(foreign),\"lease\":$(lease ",\"class\":\"$evil\",\"label\":\"$evil\",\"pool\":\"$evil\""),\"waiting\":1,\"waiters\":[$(waiter 1 2 "$evil" ",\"why\":\"$evil\",\"class\":\"$evil\",\"label\":\"$evil\",\"pool\":\"$evil\"")]")" "{\"name\":\"$evil\",\"ports\":[\"$evil\"]}"
harmless() # TIMES ARGUMENT...
{
	local times=$1
	shift
	LC_ALL=C.UTF-8 cli "$@"
	OUT+=$ERR
	! LC_ALL=C grep -q "$(printf '\033')\|$(printf '\xe2\x80\xae')" <<<"$OUT" && [ "$(grep -o 'x\\x1b\[31m\\u{202e}y' <<<"$OUT" | wc -l)" = "$times" ] ||
		explain "not $times times escaped"
}
check "status: text from outside can't act on a terminal" harmless 16 status
check "who: likewise" harmless 4 who /dev/ttyS7

# ---- evict ----

list "$(port foreign ",\"foreign\":$(foreign)"),$(port held ",\"lease\":$(lease)" modem1)"
answer Evict "{\"parameters\":{\"foreign\":$(foreign)}}"
check "evict: from whom" shows "modem0: taken from $minicom" evict modem0
check "... asks for no signal" sent '"parameters": {"port": "modem0"}'
check "evict --term asks for one" eval 'cli evict --term modem0; rc 0 && sent "\"parameters\": {\"port\": \"modem0\", \"terminate\": true}"'
answer Evict '{"parameters":{"foreign":{"how":"has it open","since":0,"others":2}}}'
check "evict: what can't be seen, and others" shows "modem0: taken from a process that I can't see and 2 more" evict modem0
answer Evict "$(error io.comlease.NotForeign 'nobody')"
check "evict: nobody is there, 1" fails 1 '^comlease: modem0: nobody has it without comlease$' evict modem0
check "evict: but somebody has a lease, 1" fails 1 "^comlease: modem1: nobody has it without comlease; $efax has a lease: comlease revoke modem1$" evict modem1
answer Evict '{"error":"org.varlink.service.PermissionDenied"}'
check "evict: not allowed, 77, and who is" fails 77 'modem0: only root, the broker.s own user and whom `evict` in comlease.conf names may' evict modem0
answer Evict "$(error io.comlease.NotRevocable 'modem0: revocation = none')"
check "evict: revocation = none, 78" fails 78 'modem0: revocation = none' evict modem0
answer Evict "$(error io.comlease.OpenFailed 'modem0: it does not go')"
check "evict: in vain, 74" fails 74 'modem0: it does not go' evict modem0
check "an older broker, 76" fails 76 'an older one' enable modem0

# ---- disable, enable ----

answer Disable '{"parameters":{}}'
answer Enable '{"parameters":{}}'
check "disable: nobody has it" shows 'modem0: disabled: "new SIM"; nobody gets it until comlease enable modem0' disable modem0 new SIM
check "... the words are the reason" sent '"parameters": {"port": "modem0", "reason": "new SIM"}'
check "disable: somebody goes on" shows "modem1: disabled; $efax goes on until it closes it" disable modem1
check "... no words, no reason" sent '"parameters": {"port": "modem1"}'
check "disable: a reason that is no UTF-8, 64" fails 64 'not UTF-8' disable modem0 $'\xff'
long=$(printf '%0201d' 0)
check "disable: a reason that is too long, 64" fails 64 'disable: the reason has 201 bytes; up to 200 are kept' disable modem0 "$long"
check "... and one that is not" eval 'cli disable modem0 "${long#0}"; rc 0'
check "revoke: likewise" eval 'fails 64 "not UTF-8" revoke modem0 --reason $'"'\\xff'"' && fails 64 "up to 200" revoke modem0 --reason "$long"'
check "enable: it was not" shows 'modem0: was not disabled' enable modem0
list "$(port disabled ',"disabled":true,"waiting":3')"
check "enable, and who waits" shows 'modem0: enabled; 3 waiting' enable modem0
check "... by name" sent '"io.comlease.Enable", "parameters": {"port": "modem0"}'
answer Disable '{"error":"org.varlink.service.PermissionDenied"}'
answer Enable '{"error":"org.varlink.service.PermissionDenied"}'
check "disable: not allowed, 77" fails 77 'only root, .*`disable`.* may disable it' disable modem0
check "enable: not allowed, 77" fails 77 'only root, .*`disable`.* may enable it' enable modem0

# ---- handoff ----

list "$(port held ",\"lease\":$(lease),\"waiting\":2,\"waiters\":[$one,$two]"),$(port free '' modem1)"
answer Handoff "{\"parameters\":{\"token\":17,\"to\":$(process 900 uucico)}}"
check "handoff: who follows whom" shows "modem0: goes to $uucico when $efax closes it" handoff modem0 --to 900
check "... by pid" sent '"parameters": {"pid": 900, "port": "modem0"}'
check "... by label" eval 'cli handoff --to mail-beta modem0; rc 0 && sent "\"parameters\": {\"label\": \"mail-beta\", \"port\": \"modem0\"}"'
answer Handoff "{\"parameters\":{\"token\":18,\"to\":$(process 900 uucico)}}"
check "handoff: the holder has changed meanwhile" shows "modem0: goes to $uucico when its holder closes it" handoff modem0 --to 900
answer Handoff "$(error io.comlease.NoSuchWaiter x)"
check "handoff: no such waiter, 1, and who waits" fails 1 \
	"^comlease: modem0: .mail-bta. does not wait for it; who does: label mail-beta, $uucico, efax \(pid 901, user $me\)$" handoff modem0 --to mail-bta
check "handoff: a pid beyond all, 1" fails 1 'does not wait' handoff modem0 --to 99999999999
check "handoff: nobody waits at all" fails 1 'modem1: .x. does not wait for it; nobody does$' handoff modem1 --to x
answer Handoff '{"error":"io.comlease.NotHolder","parameters":{"message":"no"}}'
check "handoff: nobody has it, 1" fails 1 'modem1: nobody has it: there is nothing to hand on' handoff modem1 --to x
answer Handoff '{"error":"org.varlink.service.PermissionDenied"}'
check "handoff: not allowed, 77" fails 77 "modem0: held by $efax: only that user, root, .*revoke.* may hand it on" handoff modem0 --to 900

# ---- busy, idle ----

answer SetBusy '{"parameters":{}}'
check "busy PORT" eval 'shows "modem0: in a call: its holder is not asked to let go" busy modem0 && sent "\"parameters\": {\"busy\": true, \"port\": \"modem0\"}"'
check "idle PORT" eval 'shows "modem0: no longer in a call" idle modem0 && sent "\"parameters\": {\"busy\": false, \"port\": \"modem0\"}"'
check "busy: the port and the lease of the environment" eval '
	COMLEASE_PORT=modem0 COMLEASE_TOKEN=17 shows "modem0: in a call: .*" busy && sent "\"parameters\": {\"busy\": true, \"token\": 17}" &&
	COMLEASE_PORT=modem0 COMLEASE_TOKEN=17 shows "modem0: in a call: .*" busy modem0 && sent "\"token\": 17"'
check "busy: another port than that of the environment" eval '
	COMLEASE_PORT=modem0 COMLEASE_TOKEN=17 shows "modem1: in a call: .*" busy modem1 && sent "\"parameters\": {\"busy\": true, \"port\": \"modem1\"}"'
check "busy: COMLEASE_TOKEN is no number, 64" eval 'COMLEASE_PORT=modem0 COMLEASE_TOKEN=x fails 64 COMLEASE_TOKEN busy'
answer SetBusy '{"error":"io.comlease.NotHolder","parameters":{"message":"modem0: that lease is over"}}'
check "busy: the lease is over, 1" fails 1 '^comlease: modem0: that lease is over$' busy modem0
answer SetBusy '{"error":"org.varlink.service.PermissionDenied"}'
check "busy: not allowed, 77" fails 77 'not allowed' busy modem0
answer SetBusy '{"error":"io.comlease.NoSuchPort","parameters":{"port":"modm0","ports":["modem0"]}}'
check "busy: no such port, 66" fails 66 'no port .modm0.; did you mean modem0' busy modm0

# ---- revoke ----

list "$(port foreign ",\"foreign\":$(foreign)"),$(port free '' modem1),$(port held ",\"lease\":$(lease)" modem2)"
answer Revoke '{"error":"io.comlease.NotHolder","parameters":{"message":"no"}}'
check "revoke: foreign, 1, and the way out" fails 1 \
	"^comlease: modem0: nobody holds a lease; $minicom has it without comlease: comlease evict modem0$" revoke modem0
check "revoke: nobody, 1" fails 1 '^comlease: modem1: nobody has it$' revoke modem1
answer Revoke '{"error":"org.varlink.service.PermissionDenied"}'
check "revoke: not allowed, 77" fails 77 "modem2: held by $efax: only that user, root, the broker's own user and whom .revoke. in" revoke modem2

# ---- monitor ----

# event NAME WORDS [MEMBERS]: an event of modem0 and efax, printed as that sentence
event()
{
	local who
	who=",\"owner\":$(process 812 efax)"
	[[ ${3-} != *owner* ]] || who=""
	# an error ends the stream, and with it monitor
	answer Monitor "[{\"parameters\":{\"events\":[{\"time\":$now,\"port\":\"modem0\",\"event\":\"$1\"$who${3-}}]}},$(error io.comlease.QuotaExceeded enough)]"
	cli monitor
	rc 75 && line "[A-Z][a-z]+ +[0-9]+ [0-9:.]+  modem0  $1 +$2"
}
check "monitor: yield, for a waiter" event yield "$efax is asked to let go: somebody else waits, token 17" ',"reason":"yielded","token":17'
check "monitor: yield, for a higher class" event yield "$efax is asked to let go: a higher class waits" ',"reason":"preempted"'
check "monitor: yield, for a deadline" event yield "$efax is asked to let go: its time is over" ',"reason":"expired"'
check "monitor: keep" event keep "$efax may go on"
check "monitor: busy" event busy "$efax is in a call; carrier" ',"detail":"carrier"'
check "monitor: idle" event idle "$efax is no longer in a call"
check "monitor: handoff" event handoff "$efax hands it on; to uucico" ',"detail":"to uucico"'
check "monitor: foreign" event foreign "$minicom has it without comlease; has it open" ",\"owner\":$(process 4312 minicom),\"detail\":\"has it open\""
check "monitor: foreign, and can't be seen" event foreign "a process that I can't see has it without comlease" ',"owner":null'
check "monitor: intruder" event intruder "$minicom opened it beside the holder" ",\"owner\":$(process 4312 minicom)"
check "monitor: evict" event evict "$minicom is cut off" ",\"owner\":$(process 4312 minicom)"
check "monitor: disable, by whom" event disable "$efax took it out of use: new SIM" ',"reason":"new SIM"'
check "monitor: disable, by nobody that is named" event disable "out of use: new SIM" ',"owner":null,"reason":"new SIM"'
check "monitor: enable" event enable "$efax put it into use again"
check "monitor: the class of a request" event request "$efax, label x, class fax" ',"label":"x","class":"fax"'
check "monitor: the class of a grant" event grant "$efax, class fax, token 17, waited 0.250 s" ',"class":"fax","token":17,"waited":250'
check "monitor: the end of a lease has the wire's word" event end "$efax: yielded, class fax, token 17, held 3.000 s" ',"reason":"yielded","class":"fax","token":17,"held":3000'
check "monitor: an event that we don't know" event frob "$efax: why; what" ',"reason":"why","detail":"what"'

# ---- completion ----

list "$(port held ",\"lease\":$(lease ',"label":"mine"'),\"waiting\":2,\"waiters\":[$one,$two]"),$(port free '' mouse)" '{"name":"modem","ports":["modem0","modem1"]}'
# shellcheck source=../client/comlease.bash
. "$TREE/client/comlease.bash"
check "completion: the commands" completes "evict enable" comlease e
check "completion: ports and pools for status" completes "modem0 modem" comlease status mod
check "completion: ports and pools for run" eval 'completes "modem0 modem" comlease run -c mail mode'
for command in disable enable evict handoff busy idle revoke; do
	check "completion: ports for $command" completes "modem0 mouse" comlease $command mo
done
check "completion: one port, no more" completes "" comlease disable modem0 mo
check "completion: evict --term takes no word" eval 'completes "modem0 mouse" comlease evict -t mo && completes "" comlease evict -t modem0 mo'
check "completion: labels of waiters" completes "mail-beta" comlease handoff modem0 --to m
check "completion: options" eval 'completes "--to" comlease handoff --t && completes "--term" comlease evict --t'

done_reading "$FAKE"
finish
