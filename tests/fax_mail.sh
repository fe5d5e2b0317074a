#!/bin/bash
# fax_mail.sh - do a real fax and a real mail program share modems under `comlease run`?
#
# BUILD=build/release tests/fax_mail.sh      TAP on stdout; about half a minute
#
# Unmodified efax and uucico, a real comleased, a telephone exchange of soft modems (clients.sh, softmodem.sh).
# Whatever is said here about who had the line and when is read from the exchange's log, which knows nothing
# of comlease. At -x 4, for from 10 on efax divides by a page time of 0 s.
#
# What is pinned: pages and mails arrive whole through a broker, on both sides of a call; a fax and a mail
# that want one modem at the same moment both succeed, one after the other, and neither makes a lock file.
#
# efax that may not wait (-n) says `Warning: DEVICE locked or busy. waiting.` and tries again every 8 seconds, for
# ever; uucico writes `ERROR: All matching ports in use` to its log and ends with 1.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=clients.sh
. "$(dirname "$0")/clients.sh"

missing=$(clients_missing)
if [ -n "$missing" ]; then
	echo "1..0 # SKIP not installed, or only root may read: $missing"
	exit 0
fi
# Where user uucp can reach them, wherever the clone lies.
mkdir "$SCRATCH/bin" && cp "$BUILD/comlease" "$BUILD/libcomlease-shim.so" "$SCRATCH/bin" || exit 1
PATH=$SCRATCH/bin:$PATH
cd "$SCRATCH" || exit 1

reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 4 -l modems.log \
	"$SCRATCH/modem0=100" "$SCRATCH/modem1=101" "$SCRATCH/modem2=102" "$SCRATCH/faxline=200" "$SCRATCH/mailhost=300"
wait_line "$MODEMS" '^ready$' || exit 1
start_broker < <(printf '[broker]\nmode = 0666\n'; port modem0; port modem1; port modem2)
check "the ports come up" wait_port modem0 '"state":"free"'

make_fax_page page.tif "Through a broker" 2>/dev/null || exit 1
make_uucp_site "$SCRATCH/alpha" alpha "beta${SCRATCH##*.}" "$SCRATCH/modem0" 300 &&
	make_uucp_site "$SCRATCH/beta" "beta${SCRATCH##*.}" alpha || exit 1
BETA=beta${SCRATCH##*.} # a name of its own, for its lock file stands among those of the system
# As Debian configures it: locks where every program's are.
sed -i 's|^lockdir .*|lockdir /var/lock|' alpha/config
head -c 20000 /dev/urandom >random
{ printf 'From: ann@example.org\nTo: bob@example.org\n\n'; base64 random; printf 'From the end, without a newline'; } >mail

# ---- the far ends, and what is started ----

fax_answerer() # NAME PORT NUMBER [WRAPPER...]
{
	local name=$1 port=$2 number=$3
	shift 3
	"$@" timeout 80 efax -d "$SCRATCH/$port" -o1 -iS0=1 -w -l "$number" -r "$SCRATCH/$name" >"$name.log" 2>&1 &
}
# Not before it listens: text of its last command.
listens() # PORT PATTERN
{
	local log result
	following log modems.log
	wait_line "$log" " $1 at text=\"$2"
	result=$?
	done_reading "$log"
	return $result
}
fax() # NAME PORT NUMBER
{
	timeout 80 comlease run -l "$1" -- efax -d "$SCRATCH/$2" -o1 -h ' ' -l 100 -t "$3" page.tif >"$1.log" 2>&1
}
page_arrived() { compare_fax_pages page.tif "$1.001" || { tail -n 20 "$1.log"; return 1; }; }
mail_arrived()
{
	local file
	file=$(find beta/mail -type f)
	[ -n "$file" ] || { echo "no mail has arrived"; tail -n 5 alpha/Log beta/Log uucico.log; return 1; }
	# uux adds nothing for rmail's standard input
	cmp "$file" mail && rm "$file"
}
ended() # NAME PID [LOG]
{
	local result
	wait "$2"
	result=$?
	[ $result = 0 ] || { echo "$1: status $result"; tail -n 20 "${3:-$1.log}"; return 1; }
}

# lines PATTERN: of the exchange's log since `fresh`
fresh() { SEEN_LINES=$(wc -l <modems.log); }
lines() { tail -n "+$((SEEN_LINES + 1))" modems.log | grep -E "$1"; }

# ---- fax to fax through the broker on both sides, and a mail beside it on a third port ----

fresh
fax_answerer in1 modem2 102 comlease run -l answerer --
answerer=$!
uucp_answerer beta mailhost >mailhost.log 2>&1 &
mailhost=$!
check "efax answers a port of the broker's" listens modem2 'AT\+FRM'
listens mailhost 'ATE0S0=1'
fax fax1 modem1 102 &
fax1=$!
uucp_queue_mail alpha "$BETA" bob <mail
comlease_run=(comlease run -l mail --)
traced=no
if strace -o /dev/null true 2>/dev/null; then
	comlease_run=(strace -f -qq -e trace=file -o "$SCRATCH/alpha/calls" "${comlease_run[@]}")
	traced=yes
fi
(uucp_call "$SCRATCH/alpha" "$BETA" timeout 60 "${comlease_run[@]}") >uucico.log 2>&1 &
uucico=$!
check "uucico delivers a mail through the broker: status 0" ended uucico $uucico
check "... and the mailhost is content" ended mailhost $mailhost
check "... which arrives byte for byte" mail_arrived
no_lock_file()
{
	grep -q 'lock/TMP0' alpha/calls || { echo "it looked for no lock file at all"; return 1; }
	! grep -E '(open|openat|creat|link|linkat|rename)\(.*LCK\.\.modem0' alpha/calls | grep -v ' = -1 '
}
if [ $traced = yes ]; then
	check "... and no lock file of the port was made" no_lock_file
else
	skip "... and no lock file of the port was made" "strace is not allowed here"
fi
check "efax sends through the broker: status 0" ended fax1 $fax1
check "... and efax receives through the broker: status 0" ended in1 $answerer
check "... the page row by row alike" page_arrived in1
two_ports() { lines ' modem1 connected peer=modem2 kind=fax' && lines ' modem2 connected peer=modem1 kind=fax'; }
check "... from one port of the broker's to another, says the exchange" two_ports

# ---- fax and mail at the same moment ----

fresh
fax_answerer in faxline 200
answerer=$!
uucp_answerer beta mailhost >mailhost.log 2>&1 &
mailhost=$!
same_moment()
{
	listens faxline 'AT\+FRM' && wait_line "$LOG" ' mailhost at text="ATE0S0=1' && wait_port modem0 '"state":"free"' &&
		hold gate modem0 || return 1
	uucp_queue_mail alpha "$BETA" bob <mail
	fax fax modem0 200 &
	fax=$!
	(uucp_call "$SCRATCH/alpha" "$BETA" timeout 80 comlease run -l mail --) >uucico.log 2>&1 &
	uucico=$!
	wait_port modem0 '"waiting":2' && release gate
}
reading LOG tail -n "+$((SEEN_LINES + 1))" -f modems.log
check "a fax and a mail want one modem at the same moment: both wait in their open()" same_moment
done_reading "$LOG"
check "efax: status 0" ended fax $fax
check "uucico: status 0" ended uucico $uucico
ended in $answerer >/dev/null
ended mailhost $mailhost >/dev/null
check "the page has arrived, row by row alike" page_arrived in
check "the mail has arrived, byte for byte" mail_arrived
waited()
{
	local waits
	waits=$(grep -E " grant port=modem0 .*label=(fax|mail)" broker.log | tail -n 2 | grep -c 'waited_ms=[1-9]')
	[ "$waits" = 2 ] || { grep ' grant ' broker.log; return 1; }
}
check "each of them waited" waited
# Between a dialling and its hang-up nobody else gives the modem a command that the other one would not.
one_at_a_time()
{
	lines ' modem0 ' | awk '
		$3 == "dialled" { if (call) bad = "dialled in a call"; call = $4; calls++ }
		$3 == "at" && /ATZ/ && call ~ /200/ { bad = "uucico speaks in the call of efax" }
		$3 == "at" && /FCLASS/ && call ~ /300/ { bad = "efax speaks in the call of uucico" }
		$3 == "hungup" { call = "" }
		END { if (calls != 2) bad = calls " calls"; if (bad) { print bad; exit 1 } }'
}
check "they never overlap on the line, says the exchange" one_at_a_time
check "no lock file is left" eval '! ls -d /var/lock/LCK..modem0 /var/lock/LCK.."$BETA"'

# ---- without patience ----

efax_refused()
{
	hold gate modem0 || return 1
	timeout 30 comlease run -n -- efax -d "$SCRATCH/modem0" -o1 -h ' ' -l 100 -t 200 page.tif >efax.refused 2>&1 &
	local efax=$! log result
	following log efax.refused
	wait_line "$log" 'busy|locked'
	result=$?
	done_reading "$log"
	kill $efax
	wait $efax
	release gate
	cat efax.refused
	return $result
}
check "efax without patience says that the device is busy" efax_refused
finish
