#!/bin/bash
# softmodem.sh - does the telephone exchange of the tests work, by itself and with real fax and mail programs?
#
# BUILD=build/release tests/softmodem.sh      TAP on stdout; needs $BUILD/tests/softmodem
#
# How the real programs are driven (clients.sh has it as functions):
#
# efax, one page, 10 s at -x 4 (25 s at -x 1; from -x 10 on efax divides by a page time of 0 s; at 4 it says
# "flow control did not work", because the line is faster than it thinks, and means nothing by it):
#	answer   efax -d LINK -o1 -iS0=1 -w -l 200 -r DIR/in            page in DIR/in.001
#	call     efax -d LINK -o1 -h ' ' -l 100 -t 200 page.tif         200 is the answerer's number
# Start the caller after `at text="AT+FRM=?"` of the answerer is in the log. efax puts 20 rows above the page.
# Both hang up with ATH and set ATS0, ATE.. themselves; exit status 0 says that the page was confirmed.
#
# uucico, one mail, under 1 s and 2 s more for the answerer's close: a site is a folder with these files:
#	config   nodename, spool, lockdir, pubdir, logfile.. and the names of the others; used by -I config
#	sys      `system PEER`, `port line`, `phone NUMBER`, `protocol g`, chat, `commands rmail`, `command-path`
#	port     `type modem`, `device LINK`, `carrier false`, `hardflow false`, `dialer softmodem`
#	dial     chat ATZ, ATE0, ATDT\T until CONNECT; fails on BUSY, NO CARRIER, NO ANSWER
#	call, passwd   the login that it uses, the login that it takes
#	queue    uux -I config -r - 'beta!rmail' '(ann)' <mail
#	call     uucico -I config -S beta -D -q
#	answer   ATE0S0=1 on LINK; after CONNECT  uucico -I config -l -D -q  on it; then  uuxqt -I config
# All are copies without set-id bits; root must run them as user uucp (setpriv), as uucico as root would
# change to uucp in any case. Debian lets only root and group uucp read uucico.
#
# What is pinned here: a modem is free again after B0, last close or a kernel hang-up, nothing that was
# written before is lost, and the log tells it in order; the end-to-end tests lean on that.

set -u
BUILD=${BUILD:-build/release}
HERE=$(cd "$(dirname "$0")" && pwd)
SOFTMODEM=$(cd "$BUILD/tests" && pwd)/softmodem || exit 1
# shellcheck source=clients.sh
. "$HERE/clients.sh"
SCRATCH=$(mktemp -d) || exit 1
chmod 711 "$SCRATCH" # user uucp passes through
LOG=$SCRATCH/log
EXCHANGE=""
NUMBER=0
FAILED=0

clean_up()
{
	local job
	for job in $(jobs -p) $EXCHANGE; do kill "$job" 2>/dev/null; done
	wait
	rm -rf "$SCRATCH"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

ok() { NUMBER=$((NUMBER + 1)); echo "ok $NUMBER - $1"; }
not_ok()
{
	NUMBER=$((NUMBER + 1)); FAILED=1
	echo "not ok $NUMBER - $1"
	[ ! -s "$LOG" ] || tail -n 15 "$LOG" | sed 's/^/# /'
}
skip() { NUMBER=$((NUMBER + 1)); echo "ok $NUMBER # SKIP $1"; }
check() # SENTENCE TEST_FUNCTION
{
	MARK=$(wc -l <"$LOG")
	if "$2"; then ok "$1"; else not_ok "$1"; fi
	hang_up_all
}

wait_until() # SECONDS COMMAND...
{
	local tries=$(($1 * 50))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# timed out: $*"; return 1; }
		sleep 0.02
	done
}
logged() { tail -n "+$((MARK + 1))" "$LOG" | grep -q -- "$1"; } # since the test began
event() { wait_until 20 logged "^[0-9.]* $1\$"; }

# A modem that this shell has open: FD[NAME]
declare -A FD
open_modem() # NAME
{
	local fd
	exec {fd}<>"$SCRATCH/$1" || return 1
	FD[$1]=$fd
	stty -F "$SCRATCH/$1" 38400 raw -echo
}
close_modem()
{
	local fd=${FD[$1]}
	exec {fd}>&-
	unset "FD[$1]"
}
b0() { stty -F "$SCRATCH/$1" 0 2>/dev/null; event "$1 closed reason=b0"; } # stty means to have failed
hang_up_all()
{
	local name
	for name in "${!FD[@]}"; do close_modem "$name"; done
	for name in a b c; do wait_until 5 idle "$name"; done
}
idle() { tail -n 200 "$LOG" | awk -v m="$1" '$2 == m { s = $3 != "closed" ? s : 0 }
	$2 == m && $3 == "opened" { s = 1 } END { exit s }'; }
say() { printf '%b' "$2" >&"${FD[$1]}"; }
hears() # NAME TEXT: within 15 s, as a line
{
	local line
	while read -r -t 15 -u "${FD[$1]}" line; do
		[ "${line%$'\r'}" != "$2" ] || return 0
	done
	echo "# $1 did not hear: $2"
	return 1
}
call() # a calls b, both are open
{
	open_modem a && open_modem b && say b 'ATE0S0=1\r' && hears b OK &&
		say a 'ATE0\r' && hears a OK && say a 'ATDT200\r' &&
		hears a "CONNECT 33600" && hears b "CONNECT 33600"
}

start()
{
	: >"$LOG"
	exec {READY}< <(exec "$SOFTMODEM" -d -m 666 -x 4 -l "$LOG" "$SCRATCH/a=100" "$SCRATCH/b=200" "$SCRATCH/c=300")
	EXCHANGE=$!
	read -r -t 5 -u "$READY" line && [ "$line" = ready ]
}

test_call()
{
	call && say a 'hello\n' && hears b hello && say b 'world\n' && hears a world &&
		event 'a dialled number=200' && event 'b answered peer=a' &&
		event 'a connected peer=b kind=data' && event 'b connected peer=a kind=data'
}
test_b0()
{
	call && b0 a && hears b "NO CARRIER" && event 'a closed reason=b0' && event 'a hungup reason=b0' &&
		event 'b hungup reason=remote' && b0 b && event 'b closed reason=b0'
}
test_b0_frees()
{
	test_b0 && stty -F "$SCRATCH/a" 38400 && stty -F "$SCRATCH/b" 38400 && say b 'ATE0S0=1\r' && hears b OK &&
		say a 'ATD200\r' && hears a "CONNECT 33600"
}
test_close()
{
	call && close_modem a && hears b "NO CARRIER" && event 'a closed reason=close' &&
		event 'b hungup reason=remote'
}
test_second_descriptor()
{
	local fd
	call && exec {fd}<>"$SCRATCH/a" && FD[again]=$fd && close_modem a && say b 'still there\n' &&
		hears again "still there" && close_modem again && hears b "NO CARRIER"
}
test_b0_is_deaf()
{
	open_modem b && say b 'ATS0=1\r' && hears b OK && b0 b && event 'b closed reason=b0' && open_modem a &&
		say b 'AT+DEAF\r' && say a 'ATS7=2\r' && hears a OK && say a 'ATD200\r' && hears a "NO ANSWER" &&
		! logged 'b ring' && ! logged 'DEAF'
}
test_busy() { call && open_modem c && say c 'ATD200\r' && hears c BUSY && event 'c hungup reason=busy'; }
test_no_answer()
{
	open_modem a && open_modem b && say a 'ATS7=2\r' && hears a OK && say a 'ATD200\r' && hears b RING &&
		hears a "NO ANSWER" && event 'b missed peer=a'
}
test_no_number() { open_modem a && say a 'ATD999\r' && hears a "NO CARRIER" && event 'a hungup reason=no-such-number'; }
test_ata() { open_modem a && open_modem b && say a 'ATD200\r' && hears b RING && say b 'ATA\r' && hears a "CONNECT 33600"; }
test_rings() { open_modem a && open_modem b && say b 'ATS0=2\r' && hears b OK && say a 'ATD200\r' && hears b RING &&
	hears b RING && hears a "CONNECT 33600" && [ "$(tail -n "+$MARK" "$LOG" | grep -c ' b ring ')" = 2 ]; }
test_abort() { open_modem a && open_modem b && say a 'ATD200\r' && hears b RING && say a x && hears a "NO CARRIER" &&
	event 'b missed peer=a'; }
test_escape()
{
	call && sleep 0.4 && say a '+++' && hears a OK && say a 'AT\r' && hears a OK && say b 'kept\n' &&
		say a 'ATO\r' && hears a CONNECT && hears a kept && sleep 0.4 && say a '+++' && hears a OK &&
		say a 'ATH\r' && hears a OK && event 'a hungup reason=command' && hears b "NO CARRIER"
}
test_no_escape() { call && sleep 0.4 && say a '+++ATH\n' && hears b '+++ATH' && ! logged escaped; }
last_words() # HOW
{
	head -c 4096 /dev/urandom >"$SCRATCH/words"
	call && cat "$SCRATCH/words" >&"${FD[a]}" && "$1" a || return 1
	timeout 10 head -c 4096 <&"${FD[b]}" >"$SCRATCH/heard"
	cmp "$SCRATCH/words" "$SCRATCH/heard" && hears b "NO CARRIER"
}
test_last_words_close() { last_words close_modem; }
test_last_words_b0() { last_words b0; }
test_slow_reader()
{
	head -c 300000 /dev/urandom >"$SCRATCH/words"
	call || return 1
	cat "$SCRATCH/words" >&"${FD[a]}" &
	timeout 10 cat "$SCRATCH/words" >&"${FD[b]}" &
	{ timeout 10 head -c 1000; sleep 0.3; timeout 10 head -c 299000; } <&"${FD[b]}" >"$SCRATCH/heard"
	timeout 10 head -c 300000 <&"${FD[a]}" | cmp "$SCRATCH/words" - && cmp "$SCRATCH/words" "$SCRATCH/heard"
}
test_record()
{
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do open_modem a && say a "AT+CLIENT=$i\\r" && close_modem a || return 1; done
	event 'a at text="AT+CLIENT=10"' || return 1
	[ "$(tail -n "+$((MARK + 1))" "$LOG" | grep -o 'CLIENT=[0-9]*' | tr -dc '0-9\n' | tr '\n' ' ')" = "1 2 3 4 5 6 7 8 9 10 " ]
}
test_record_b0() # as under a broker, whose keeper never lets go and sets B0 between two leases
{
	local i fd
	open_modem a && b0 a || return 1
	for i in 1 2 3 4 5; do
		exec {fd}<>"$SCRATCH/a" && stty -F "$SCRATCH/a" 38400 && printf 'AT+LEASE=%d\r' "$i" >&"$fd" && exec {fd}>&-
		stty -F "$SCRATCH/a" 0 2>/dev/null
		event "a at text=\"AT+LEASE=$i\"" || return 1
	done
	[ "$(tail -n "+$((MARK + 1))" "$LOG" | grep -c 'LEASE=[1-5]"')" = 5 ]
}
test_hangup()
{
	call || return 1
	python3 -c "import fcntl; fcntl.ioctl(${FD[a]}, 0x5437)" || return 1 # TIOCVHANGUP
	hears b "NO CARRIER" && close_modem a && event 'a closed reason=.*' && open_modem a && say a 'ATE0\r' && hears a OK &&
		! logged 'a at text=".*\(OK\|CARRIER\|CONNECT\)'
}
test_idle_cpu()
{
	local before after
	before=$(awk '{ print $14 + $15 }' "/proc/$EXCHANGE/stat")
	sleep 1
	after=$(awk '{ print $14 + $15 }' "/proc/$EXCHANGE/stat")
	[ $((after - before)) -le 3 ]
}
test_efax()
{
	make_fax_page "$SCRATCH/page.tif" "comlease test" || return 1
	timeout 60 efax -d "$SCRATCH/b" -o1 -iS0=1 -w -l 200 -r "$SCRATCH/in" >"$SCRATCH/efax.b" 2>&1 &
	local answerer=$!
	event 'b at text="AT+FRM=?"' || return 1
	timeout 60 efax -d "$SCRATCH/a" -o1 -h ' ' -l 100 -t 200 "$SCRATCH/page.tif" >"$SCRATCH/efax.a" 2>&1 || return 1
	wait $answerer && echo "# fax: $(compare_fax_pages "$SCRATCH/page.tif" "$SCRATCH/in.001")" &&
		compare_fax_pages "$SCRATCH/page.tif" "$SCRATCH/in.001" >/dev/null
}
test_uucico()
{
	make_uucp_site "$SCRATCH/alpha" alpha beta "$SCRATCH/a" 200 && make_uucp_site "$SCRATCH/beta" beta alpha || return 1
	head -c 20000 /dev/urandom >"$SCRATCH/mail"
	uucp_queue_mail "$SCRATCH/alpha" beta ann <"$SCRATCH/mail" || return 1
	uucp_answerer "$SCRATCH/beta" "$SCRATCH/b" &
	local answerer=$!
	event 'b at text="ATE0S0=1"' && uucp_call "$SCRATCH/alpha" beta && wait $answerer &&
		cat "$SCRATCH"/beta/mail/* | cmp "$SCRATCH/mail" -
}
test_own_link_only()
{
	echo precious >"$SCRATCH/file"
	ln -s "$SCRATCH/nowhere" "$SCRATCH/dangling"
	ln -s "$SCRATCH/file" "$SCRATCH/living"
	! "$SOFTMODEM" -d "$SCRATCH/file=1" 2>/dev/null >&2 && ! "$SOFTMODEM" -d "$SCRATCH/living=1" 2>/dev/null >&2 &&
		[ "$(cat "$SCRATCH/living")" = precious ] || return 1
	exec {link}< <(exec "$SOFTMODEM" -d -l /dev/null "$SCRATCH/dangling=1")
	local pid=$!
	read -r -t 5 -u "$link" line && [ -c "$SCRATCH/dangling" ] && kill $pid && wait_until 5 test ! -L "$SCRATCH/dangling"
}
test_end() { kill "$EXCHANGE" && wait_until 5 test ! -L "$SCRATCH/a" && [ ! -L "$SCRATCH/b" ]; }

echo 1..24
start || { echo "Bail out! $SOFTMODEM does not start"; exit 1; }
check "dialling connects two modems and bytes go both ways" test_call
check "B0 hangs up and the far side hears NO CARRIER" test_b0
check "after B0 both modems take the next call" test_b0_frees
check "the last close hangs up and the far side hears NO CARRIER" test_close
check "a close that is not the last one leaves the call up" test_second_descriptor
check "while at B0 a modem neither listens nor answers" test_b0_is_deaf
check "a modem that is in a call is BUSY" test_busy
check "nobody answers: NO ANSWER" test_no_answer
check "an unknown number: NO CARRIER" test_no_number
check "ATA answers" test_ata
check "S0=2 answers at the second RING" test_rings
check "a key while dialling gives the call up" test_abort
check "+++ with guard time leaves the call up, ATO goes back, ATH ends it" test_escape
check "+++ without guard time is data" test_no_escape
check "4 KiB written just before close arrive whole" test_last_words_close
check "4 KiB written just before B0 arrive whole" test_last_words_b0
check "a slow reader loses nothing, both ways at once" test_slow_reader
check "the log has the command lines of ten clients in order" test_record
check "nor is one missed whose port goes to B0 at once" test_record_b0
if python3 -c '' 2>/dev/null && grep -q '^CapEff:.*[2367abef].....$' /proc/self/status; then
	check "a kernel hang-up ends the call and no echo becomes a command" test_hangup
else
	skip "a kernel hang-up: needs python3 and CAP_SYS_ADMIN"
fi
check "idle, it takes next to no CPU time" test_idle_cpu
missing=$(clients_missing)
if [ -z "$missing" ]; then
	check "efax to efax: the page arrives row by row alike" test_efax
	check "uucico to uucico: the mail arrives byte for byte" test_uucico
else
	skip "efax to efax: not installed or not readable: $missing"
	skip "uucico to uucico: not installed or not readable: $missing"
fi
check "it overwrites nothing but dangling links, and removes its own at the end" test_own_link_only
exit $FAILED
