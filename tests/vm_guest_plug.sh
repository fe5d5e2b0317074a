# vm_guest_plug.sh - a port comes, goes and comes back (sourced by vm_guest.sh)

# ---- without any configuration: udev starts it, and it takes what it finds ----

# This machine may be emulated, and its host busy: a unit that does nothing is started for comparison, and the limit
# is 2 s and twenty times that. One of three will do.
now() { cut -d' ' -f1 /proc/uptime | tr -d .; } # in 10 ms
started_by_plug()
{
	local before active try
	printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >/run/systemd/system/nothing.service && systemctl daemon-reload || return 1
	for try in 1 2 3; do
		systemctl stop comleased.socket comleased.service || return 1
		before=$(now)
		systemctl start nothing.service
		NOTHING_MS=$((($(now) - before) * 10))
		before=$(now)
		host plug usb0 A1 && eventually systemctl -q is-active comleased.service || return 1
		active=$(systemctl show -P ActiveEnterTimestampMonotonic comleased.service)
		TOOK_MS=$((active / 1000 - before * 10))
		[ $TOOK_MS -ge $((2000 + 20 * NOTHING_MS)) ] || return 0
		note "it took $TOOK_MS ms, and a unit that does nothing $NOTHING_MS ms"
		[ $try = 3 ] || host unplug usb0 || return 1
	done
	return 1
}
NAME=usb-QEMU_QEMU_USB_SERIAL_A1-if00-port0
shown_by_name()
{
	local seen
	eventually json "$NAME" >/dev/null && port "$NAME" '"state":"free"' || { ls -l /dev/serial/by-id /run/comlease/port; return 1; }
	seen=$(json "$NAME")
	same node /dev/ttyUSB0 "$(field "$seen" node)"
	# Nothing but libserialport knows these ids.
	same usb 0403:6001 "$(field "$seen" usb)" && says "$(comlease status "$NAME")" "^$NAME .*free"
}
linked()
{
	same /dev/comlease ../ttyUSB0 "$(readlink "/dev/comlease/$NAME")" &&
		same by-id ../../ttyUSB0 "$(readlink "/dev/serial/by-id/$NAME")" &&
		same 'the device of the port' /dev/ttyUSB0 "$(readlink -f "/run/comlease/port/$NAME")"
}
check "a serial adapter is plugged in: udev starts comleased in less than 2 s" started_by_plug
note "after ${TOOK_MS:-?} ms; a unit that does nothing: ${NOTHING_MS:-?} ms"
check "... which has the port under its name of /dev/serial/by-id, by libserialport" shown_by_name
check "... and so is it called in /dev/comlease" linked
systemctl start comleased.socket

# ---- with a configuration ----

# ttyS0 is the kernel's console, ttyS2 gets a getty later.
configure()
{
	mkdir -p /etc/comlease
	cat >/etc/comlease/comlease.conf <<-'END'
		[broker]
		group = dialout
		[port usb0]
		usb-serial = A1
		hangup-ms = 300
		drain-ms = 5000
		[port uart0]
		device = /dev/ttyS1
		hangup-ms = 300
		drain-ms = 1500
		flow = xonxoff
		[port acm0]
		usb-id = 0525:a4a7
		hangup-ms = 300
		drain-ms = 1500
		[port login]
		device = /dev/ttyS2
		[port console]
		device = /dev/ttyS0
		[port usb-*]
	END
	comleased --check 2>&1
	# This systemd does not wait until it has read it.
	systemctl reload comleased.service && eventually json usb0 || return 1
	port usb0 '"state":"free"' && port uart0 '"state":"free"' && port acm0 '"state":"absent"'
}
check "reload: the adapter has the name that its serial number has in the configuration" configure
no_longer_adopted() { says "$(json)" '"name":"usb0"' && not says "$(json)" "$NAME" >/dev/null; }
check "... and no other" no_longer_adopted
reload_is_orderly() { same state active "$(systemctl show -P ActiveState comleased.service)"; }
check "... and to systemd it runs" eventually reload_is_orderly

# ---- pulled out in mid-lease ----

comlease monitor -j >events 9>&- 2>&1 &
MONITOR=$!
held_with_a_queue()
{
	hold first usb0 heir || return 1
	ask second usb0 stay
	port usb0 '"waiting":1'
}
pulled_out()
{
	host unplug usb0 && line "${OUT[first]}" '^lost' && same holder 'lost read=0 write=EIO' "$LINE"
}
told_why() { eventually grep -qE '"event":"end".*"port":"usb0".*"reason":"unplugged"' events || { tail -n 5 events; return 1; }; }
absent()
{
	port usb0 '"state":"absent".*"waiting":1' && says "$(comlease status usb0)" 'absent'
}
check "a lease, with a child that keeps its descriptor, and one who waits" held_with_a_queue
HEIR=$(pgrep -f 'vm_client heir stay' | tail -n 1)
check "pulled out: the holder reads end-of-file and gets EIO" pulled_out
check "... Watch says why: unplugged" told_why
check "... and the port is absent, with its queue" absent
release first
another_is_free() { says "$(json usb-QEMU_QEMU_USB_SERIAL_B2-if00-port0)" '"state":"free"'; }
another_adapter()
{
	host plug other B2 && eventually another_is_free || return 1
	says "$(json usb0)" '"state":"absent".*"waiting":1'
}
check "another adapter in its place is a port of its own and gets nobody of that queue" another_adapter
comes_back()
{
	host unplug other && host plug usb0 A1 && line "${OUT[second]}" '^staying' || return 1
	says "$(json usb0)" '"state":"held"'
}
# The dead descriptor in the child keeps the number.
other_number() { says "$(field "$(json usb0)" node)" '^/dev/ttyUSB[1-9]$'; }
check "plugged in again: the queue goes on" comes_back
check "... although it is another ttyUSB now" other_number
note "it is $(field "$(json usb0)" node)"
[ -z "$HEIR" ] || kill "$HEIR"
release second
alive()
{
	is_free usb0 && once usb0 write hello && far usb0 5 && same 'far end' "$(hex hello)" "$FAR"
}
check "... and bytes arrive at its far end" alive

# ---- taken back ----

revoked()
{
	hold first usb0 || return 1
	comlease revoke usb0 && line "${OUT[first]}" '^lost' && same holder 'lost read=0 write=EIO' "$LINE"
	release first
	is_free usb0
}
check "revoke: the holder of a ttyUSB reads end-of-file and gets EIO" revoked
