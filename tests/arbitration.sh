#!/bin/bash
# arbitration.sh - a fax answerer in standby, mail that dials out, and a pool of two modems, with real programs
#
# BUILD=build/release tests/arbitration.sh      TAP on stdout; about a minute
#
# Unmodified efax, uucico, picocom and pyserial, a real comleased, a telephone exchange of soft modems
# (clients.sh, softmodem.sh). What is said about the line is read from the exchange's log, which knows nothing of
# comlease; what is said about times, from `comlease monitor --json`.
#
# What is pinned: `run --standby` gives the modem to a mail within a second and takes it back; a call that has
# begun is not torn down, and the mail comes after it; the page of that call is whole; two modems in a pool serve
# eight real clients, two at a time.

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

reading MODEMS "$BUILD/tests/softmodem" -d -m 666 -x 4 -l modems.log "$SCRATCH/modem0=100" "$SCRATCH/pool0=110" \
	"$SCRATCH/pool1=111" "$SCRATCH/faxline=200" "$SCRATCH/mailhost=300"
wait_line "$MODEMS" '^ready$' || exit 1
# Three seconds without a byte: longer than any silence within a fax, so that a call is one call.
start_broker < <(
	printf '[broker]\nmode = 0666\n'
	port modem0 'busy-by = activity:3' 'order = mail fax' 'class-of = uucico:mail efax:fax'
	port pool0
	port pool1
	printf '[pool modem]\nports = pool0 pool1\n'
)
check "the ports come up" wait_port modem0 '"state":"free"'
make_fax_page page.tif "Standing by" 2>/dev/null || exit 1
BETA=beta${SCRATCH##*.}
make_uucp_site "$SCRATCH/alpha" alpha "$BETA" "$SCRATCH/modem0" 300 &&
	make_uucp_site "$SCRATCH/beta" "$BETA" alpha || exit 1
printf 'From: ann@example.org\nTo: bob@example.org\n\nWhile the fax machine stands by.\n' >mail
comlease monitor --json >events &
MONITOR=$!

# ---- what is started, and what is known of it ----

listens() # MODEM PATTERN: the last command that it was given, from the exchange's log since `fresh`
{
	local log result
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" " $1 at text=\"$2"
	result=$?
	done_reading "$log"
	return $result
}
fresh() { SEEN_LINES=$(wc -l <modems.log); }
lines() { tail -n "+$((SEEN_LINES + 1))" modems.log | grep -E "$1"; }
ended() # NAME PID
{
	local result
	wait "$2"
	result=$?
	[ $result = 0 ] || { echo "$1: status $result"; tail -n 20 "$1.log"; return 1; }
}
mail_goes() # queues a mail and calls; returns at once, $MAIL is uucico
{
	uucp_queue_mail alpha "$BETA" bob <mail
	(uucp_call "$SCRATCH/alpha" "$BETA" timeout 100 comlease run --) >uucico.log 2>&1 &
	MAIL=$!
}
mail_arrived()
{
	local file
	file=$(find beta/mail -type f)
	[ -n "$file" ] || { echo "no mail has arrived"; tail -n 5 alpha/Log beta/Log; return 1; }
	cmp "$file" mail && rm "$file"
}
mailhost() { uucp_answerer beta mailhost >mailhost.log 2>&1 & MAILHOST=$!; }
fax_calls() # NUMBER
{
	timeout 80 efax -d "$SCRATCH/faxline" -o1 -h ' ' -l 200 -t "$1" page.tif >fax.log 2>&1 &
	FAX=$!
}

# ---- standby ----

# efax keeps the page in DIR/in.NNN and ends after each; `run --standby` starts it again.
cat >answerer <<-END
	#!/bin/sh
	exec efax -d "\$COMLEASE_DEVICE" -o1 -iS0=1 -w -l 100 -r "$SCRATCH/in"
END
chmod 755 answerer
fresh
comlease run --standby -l answerer -c fax modem0 -- ./answerer >answerer.log 2>&1 &
ANSWERER=$!
check "efax stands by on the modem" listens modem0 'AT\+FRM'
idle()
{
	local events result
	following events events
	wait_line "$events" '"event":"idle"'
	result=$?
	done_reading "$events"
	return $result
}
check "... and is not in a call once nothing has been said for a while" idle
mailhost
listens mailhost 'ATE0S0=1' >/dev/null
fresh
mail_goes
check "a mail dials out: uucico ends with status 0" ended uucico $MAIL
check "... and has delivered" mail_arrived
ended mailhost $MAILHOST >/dev/null
# Of the last yield: from the request for it to the grant.
yielded_soon()
{
	/usr/bin/python3 - <<-'END'
		import json
		events = [json.loads(line) for line in open("events")]
		asked = next(e for e in reversed(events) if e["event"] == "yield")
		mail = next(e for e in events if e["event"] == "grant" and e["time"] >= asked["time"])
		took = mail["time"] - asked["time"]
		print(f"from being asked to the next one's grant: {took} ms")
		raise SystemExit(took > 5000 or mail.get("class") != "mail")
	END
}
check "... long before the end of the answerer's grace" yielded_soon
again() { listens modem0 'AT\+FRM'; }
check "the answerer is back, although nobody told it" again
fax_calls 100
check "... and takes a fax: the caller ends with status 0" ended fax $FAX
page_arrived() { local page; page=$(ls -t in*.001 2>/dev/null | head -n 1) && compare_fax_pages page.tif "$page"; }
check "... row by row alike" page_arrived

# ---- in a call ----

check "the answerer waits for the next call" again
rm -f in*
fresh
fax_calls 100
connected()
{
	local log result
	reading log tail -n "+$((SEEN_LINES + 1))" -f modems.log
	wait_line "$log" ' modem0 connected '
	result=$?
	done_reading "$log"
	return $result
}
check "another fax comes in" connected
mailhost
mail_goes
told_why()
{
	wait_port modem0 '"waiting":1' && comlease status >status && cat status && grep -q 'in a call since' status
}
check "a mail that asks in the middle of it waits; status says: in a call since ..." told_why
check "the fax has been sent whole: status 0" ended fax $FAX
check "... row by row alike" page_arrived
check "then the mail goes: status 0" ended uucico $MAIL
check "... and has delivered" mail_arrived
ended mailhost $MAILHOST >/dev/null
fax_before_mail() # the exchange: the fax's call ended before modem0 dialled
{
	lines ' modem0 ' | awk '/ connected /{ if (!dialled) call = 1 } / hungup/{ call = 0 } / dialled /{ dialled = 1; if (call) bad = 1 }
		END { exit bad || !dialled }'
}
check "the call was not torn down for it, says the exchange" fax_before_mail
stopped() { kill $ANSWERER; wait $ANSWERER; wait_port modem0 '"state":"free"'; }
check "the answerer ends when it is told to, and leaves a free port" stopped

# ---- a pool ----

# A program that has a modem sets S7 to a number of its own, and holds it until it hears OK.
serial_client() # NUMBER
{
	timeout 60 comlease run -l "client$1" modem -- /usr/bin/python3 -c '
import serial, sys
with serial.Serial(sys.argv[1], 38400, timeout=20) as port:
    port.write(b"ATS7=" + sys.argv[2].encode() + b"\r")
    assert b"OK" in port.read_until(b"OK\r\n")' "{}" "$1" >"client$1.log" 2>&1
}
picocom_client()
{
	printf 'ATS7=%s\r' "$1" | timeout 60 comlease run -l "client$1" modem -- \
		sh -c 'picocom -q -b 38400 --exit-after 500 "$COMLEASE_DEVICE"' >"client$1.log" 2>&1
}
shell_client()
{
	timeout 60 comlease run -l "client$1" modem -- sh -c '
		exec 4<>"$1"; printf "ATS7=%s\r" "$2" >&4; while read -r line <&4 && [ "${line%?}" != OK ]; do :; done' \
		sh "{}" "$1" >"client$1.log" 2>&1
}
pool_fax() # NUMBER of the one that is called
{
	timeout 90 comlease run -l "fax$1" modem -- sh -c \
		'exec efax -d "$COMLEASE_DEVICE" -o1 -h " " -l 110 -t 200 page.tif' >"fax$1.log" 2>&1
}
eight()
{
	local pids=() pid n result=0
	fresh
	efax -d "$SCRATCH/faxline" -o1 -iS0=1 -w -l 200 -r "$SCRATCH/pooled" >faxline.log 2>&1 &
	local faxline=$!
	listens faxline 'AT\+FRM' || return 1
	hold gate0 pool0 && hold gate1 pool1 || return 1
	pool_fax 200 & pids+=($!)
	for n in 31 32 33; do serial_client $n & pids+=($!); done
	for n in 41 42; do shell_client $n & pids+=($!); done
	for n in 51 52; do picocom_client $n & pids+=($!); done
	wait_port pool1 '"waiting":8' || result=1
	release gate0
	release gate1
	for pid in "${pids[@]}"; do wait "$pid" || { echo "status $?"; result=1; }; done
	wait $faxline
	[ $result = 0 ] || tail -n 5 client*.log fax200.log
	return $result
}
check "eight real clients wait for a pool of two modems, and all are served" eight
pool_page() { compare_fax_pages page.tif pooled.001; }
check "... the fax among them row by row alike" pool_page
each_once()
{
	local n
	for n in 31 32 33 41 42 51 52; do
		[ "$(lines " pool[01] at text=\"ATS7=$n\"" | wc -l)" = 1 ] || { echo "client $n"; lines ' at text="ATS7'; return 1; }
	done
}
check "... each once, on one of the two, says the exchange" each_once
# The fax may have one of them for as long as the other seven take.
both_used() { lines ' pool0 at text="AT' >/dev/null && lines ' pool1 at text="AT' >/dev/null; }
check "... and both modems were used" both_used
check "the pool is free at the end" wait_port pool0 '"state":"free".*"waiting":0'
kill $MONITOR
wait $MONITOR
finish
