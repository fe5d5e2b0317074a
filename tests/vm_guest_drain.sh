# vm_guest_drain.sh - what was written just before close() arrives, and a far end that takes nothing costs drain-ms
# (sourced by vm_guest.sh)

TEXT=$(printf 'line %04d of the fax\n' {1..200}) # 4,200 bytes

all_arrives()
{
	local i
	is_free "$1" && far "$1" 0
	for i in 1 2 3; do
		# And somebody waits for it, so that the next one comes at once.
		ask first "$1" stay write "$TEXT" && line "${OUT[first]}" '^staying' || return 1
		ask second "$1" write "[second]"
		port "$1" '"waiting":1' && release first || return 1
		far "$1" $((${#TEXT} + 8)) && same "what arrives, try $i" "$(hex "$TEXT[second]")" "$FAR" || return 1
		release second || return 1
	done
}
for each in usb0 uart0 acm0; do
	check "$each: what is written just before close() arrives, all of it, with somebody waiting" all_arrives $each
done

# drains_cut PORT: how often its output has not come to an end within drain-ms.
drains_cut() { journalctl -q -b -o cat -u comleased.service | grep -c "drain port=$1 left_bytes=[1-9].* reason=drain-ms"; }
one_more_cut() { [ "$(drains_cut "$1")" = $(($2 + 1)) ]; }
received() { sed -n 's/^1: .* rx:\([0-9]*\).*/\1/p' /proc/tty/driver/serial; }
received_since() { [ "$(received)" != "$1" ]; }
# ttyGS0 is just not read; uart0 is sent XOFF. (No other byte may follow: IXANY.)
far_stops()
{
	local before
	[ "$1" != acm0 ] || return 0
	before=$(received)
	far_says "$1" $'\x13' && eventually received_since "$before"
}

# What is written is still in the kernel at the close, and goes when the far end says XON. Where that has come later
# than drain-ms, on this slow machine, it is tried again.
arrives_after_xon()
{
	local cut
	is_free uart0 && far uart0 0 || return 1
	for _ in 1 2 3 4 5; do
		cut=$(drains_cut uart0)
		ask first uart0 stay write "${TEXT:0:2000}" && line "${OUT[first]}" '^staying' && far_stops uart0 || return 1
		release first && far_says uart0 $'\x11' && is_free uart0 && far uart0 0 || return 1
		[ "$FAR" != "$(hex "${TEXT:0:2000}")" ] || return 0
		eventually one_more_cut uart0 "$cut" || { echo "of 2000 bytes came $((${#FAR} / 2))"; return 1; }
	done
	return 1
}
check "uart0: what a far end holds up by XOFF arrives, although its writer has closed" arrives_after_xon

ms() { local t; t=$(cut -d' ' -f1 /proc/uptime); echo $((10#${t/./} * 10)); }

# From the close of the one to the grant of the next. drain-ms is 1500, hangup-ms 300; the rest is this slow
# machine's. The kernel's own wait would be 30 s.
MOST_MS=25000
# stalled PORT: one writes until nothing more is taken (most of that is in the buffers of the gadget's far end) and
# goes, one waits; he has it then.
stalled()
{
	local port=$1 begin cut
	cut=$(drains_cut "$port")
	ask first "$port" stay fill 2000000 stay && line "${OUT[first]}" '^staying' && far_stops "$port" || return 1
	echo >&"${IN[first]}"
	line "${OUT[first]}" '^filled' && note "$port: $LINE bytes" && line "${OUT[first]}" '^staying' || return 1
	ask second "$port" write '[second]' stay
	port "$port" '"waiting":1' || return 1
	begin=$(ms)
	release first
	line "${OUT[second]}" '^staying' || return 1
	COST_MS=$(($(ms) - begin))
	[ "$COST_MS" -ge 1400 ] && [ "$COST_MS" -le $MOST_MS ] || { echo "it took $COST_MS ms"; return 1; }
	eventually one_more_cut "$port" "$cut"
}
# Nothing of the first comes after the second.
last_is_second()
{
	far_ends "$1" '[second]' && release second && is_free "$1" && far "$1" 0 && same 'what arrives then' '' "$FAR"
}
is_free acm0 >said
check "acm0: a far end that does not read costs drain-ms, and no more" stalled acm0
note "the next one came after ${COST_MS:-?} ms"
check "... and nothing of the old output comes after the new" last_is_second acm0
check "uart0: a far end that has said XOFF costs drain-ms, and no more" stalled uart0
note "the next one came after ${COST_MS:-?} ms"
check "... and nothing of the old output comes after the new" last_is_second uart0
