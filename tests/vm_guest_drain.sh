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

ms() { local t; t=$(cut -d' ' -f1 /proc/uptime); echo $((10#${t/./} * 10)); }

# From the close of the one to the grant of the next. drain-ms is 1500, hangup-ms 300; the rest is this slow
# machine's.
MOST_MS=12000
# stalled PORT: one writes as much as it takes and goes, one waits.
stalled()
{
	local port=$1 begin
	ask first "$port" stay fill 60000 stay && line "${OUT[first]}" '^staying' && far_stops "$port" || return 1
	echo >&"${IN[first]}"
	line "${OUT[first]}" '^filled' && line "${OUT[first]}" '^staying' || return 1
	ask second "$port" write '[second]'
	port "$port" '"waiting":1' || return 1
	begin=$(ms)
	release first
	release second || return 1
	COST_MS=$(($(ms) - begin))
	[ "$COST_MS" -ge 1400 ] && [ "$COST_MS" -le $MOST_MS ] || { echo "it took $COST_MS ms"; return 1; }
}
# ttyGS0 is just not read; uart0 is sent XOFF, and nothing tells when it has come. (No other byte may follow: IXANY.)
far_stops() { [ "$1" = acm0 ] || { far_says "$1" $'\x13' && sleep 0.5; }; }
# Nothing of the first comes after the second.
last_is_second() { far "$1" 60000 && same 'what arrives last' "$(hex '[second]')" "${FAR: -16}"; }
is_free acm0 >said
check "acm0: a far end that does not read costs drain-ms, and no more" stalled acm0
note "the next one came after ${COST_MS:-?} ms"
check "... and nothing of the old output comes after the new" last_is_second acm0
check "uart0: a far end that has said XOFF costs drain-ms, and no more" stalled uart0
note "the next one came after ${COST_MS:-?} ms"
check "... and nothing of the old output comes after the new" last_is_second uart0
