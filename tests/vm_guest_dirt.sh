# vm_guest_dirt.sh - whatever a holder leaves behind on a real driver is gone at the next grant (sourced by
# vm_guest.sh): ttyUSB (ftdi_sio), ttyS (8250), ttyACM (cdc_acm on the gadget g_serial, whose far end is ttyGS0)

start_gadget()
{
	modprobe dummy_hcd && modprobe g_serial && eventually test -c /dev/ttyGS0 && udevadm settle || return 1
	# It forgets its settings at the last close.
	exec {GADGET}<>/dev/ttyGS0 && is_free acm0 && far acm0 0
}
check "a ttyACM comes up and is the port that its ids say" start_gadget

# What a lease finds before anybody has done harm.
declare -A CLEAN
for each in usb0 uart0 acm0; do
	is_free $each >/dev/null
	CLEAN[$each]=$(once $each show)
	note "$each: ${CLEAN[$each]}"
	# Exclusive, as the broker's own port is (`own = always`).
	check "$each: a lease begins in raw mode, with N_TTY" \
		says "${CLEAN[$each]}" ' oflag=0 cflag=18b2 lflag=0 .* ldisc=0 excl=1( flags=0 divisor=0 closing=3000)?$'
done

# as_new PORT: what another program finds, and does what it writes arrive? What the last one wrote may have.
as_new()
{
	is_free "$1" && far "$1" 0
	same 'what the next one finds' "${CLEAN[$1]}" "$(once "$1" show write "[sent]" 2>&1)" || return 1
	far "$1" 6 && same 'what arrives' "$(hex '[sent]')" "$FAR"
}
# clean_after PORT ACTION...
clean_after()
{
	once "$@" || { echo "$*: status $?"; return 1; }
	as_new "$1"
}
# While a dead descriptor is open the kernel keeps what it can.
clean_behind()
{
	hold first "$1" heir cooked custom closing excl stop fill 50 || return 1
	comlease revoke "$1" && line "${OUT[first]}" '^lost' && release first && as_new "$1"
	local result=$?
	pkill -f '^/tests/vm_client heir' # in this machine they are all ours
	return $result
}

for each in usb0 uart0 acm0; do
	check "$each: another speed and frame, echo, XON/XOFF, no HUPCL: undone" clean_after $each cooked
	check "$each: TIOCEXCL: undone" clean_after $each excl
	check "$each: output stopped, and some of it left: undone" clean_after $each write old stop fill 50
	[ $each = acm0 ] || # this gadget knows no break
		check "$each: break: undone" clean_after $each break
	check "$each: another line discipline: undone" clean_after $each ldisc 27
	check "$each: a custom divisor, low latency: undone" clean_after $each custom
	check "$each: ten minutes for a close: undone" clean_after $each closing
	check "$each: all of that at once, revoked, behind the dead descriptor of a child: undone" clean_behind $each
done

# ---- the way in ----

# Three bytes come while nobody has the port: the next one must not read them.
only_new_input()
{
	local port=$1
	hold first "$port" && release first && is_free "$port" || return 1
	far_says "$port" old
	ask second "$port" write '[ready]' read 3
	far "$port" 7 && far_says "$port" new && line "${OUT[second]}" '^read' && same 'what is read' 'read new' "$LINE"
	release second
}
for each in usb0 uart0 acm0; do
	check "$each: what came before the lease is not read in it" only_new_input $each
done

# ---- DTR, RTS ----

# What comes last counts: DTR is down for the hang-up, and down while it is nobody's.
usb_lines()
{
	once usb0 lower && is_free usb0 && host lines && once usb0 show && is_free usb0 && host lines || return 1
	says "$ANSWER" 'rts\+' && says "$ANSWER" 'dtr\+.*dtr-' &&
		says "$(tr ' ' '\n' <<<"$ANSWER" | grep dtr | tail -n 1)" 'dtr-'
}
check "usb0: DTR and RTS are up in a lease, DTR is down for the hang-up and as long as the port is nobody's" usb_lines
note "the adapter was told: $ANSWER"
uart_lines() { sed -n 's/^1: .* rx:[0-9]* *//p' /proc/tty/driver/serial; }
uart_lowered()
{
	hold first uart0 && says "$(uart_lines)" 'RTS\|.*DTR' && release first && is_free uart0 &&
		not says "$(uart_lines)" 'DTR' >/dev/null
}
check "uart0: DTR and RTS are up in a lease, DTR is down as long as the port is nobody's" uart_lowered
cut_off()
{
	hold first "$1" && comlease revoke "$1" && line "${OUT[first]}" '^lost' && same holder 'lost read=0 write=EIO' "$LINE"
	release first
	is_free "$1"
}
check "uart0: revoke: its holder reads end-of-file and gets EIO" cut_off uart0
check "acm0: revoke: its holder reads end-of-file and gets EIO" cut_off acm0

# ---- a session leader with the port as its terminal ----

leader()
{
	once "$1" leader show >/dev/null && is_free "$1" || return 1
	same 'what the next one finds' "${CLEAN[$1]}" "$(once "$1" show)"
}
for each in usb0 uart0 acm0; do
	check "$each: the exit of a session leader with the port as its terminal ends one lease, not the port" leader $each
done
