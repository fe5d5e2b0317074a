#!/bin/bash
# ports.sh - does `comlease ports` name what the machine has, and print sections that comleased takes?
#
# BUILD=build/release tests/ports.sh      TAP on stdout
#
# What is pinned: the whole text, word by word, of a machine that umockdev makes (machine.sh), without a broker
# and with one (canned.py); the sections of adapters that are hard to tell apart; that comleased reads them; and
# that no device is opened. Names and ways of telling devices apart by the dozen are in test_ports.c.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=cli_check.sh
. "$(dirname "$0")/cli_check.sh"
# shellcheck source=machine.sh
. "$(dirname "$0")/machine.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1

{
	board "tty0 ttyS1"
	adapter 2 0403:6001 FTDI "FT232R USB UART" A50285BI
	tty ttyUSB0 0 2 00 ftdi_sio ID_MM_CANDIDATE=1 # as all are; it is a plain adapter
	adapter 3.1 1a86:7523 "" "USB Serial"
	tty ttyUSB1 1 3.1 00 ch341-uart
	adapter 4 0403:6010 FTDI "Dual RS232-HS" FT4QX1Z3
	tty ttyUSB2 2 4 00 ftdi_sio
	tty ttyUSB3 3 4 01 ftdi_sio
	adapter 5 2341:0043 Arduino Uno 75735303
	tty ttyACM0 9 5 00 cdc_acm COMLEASE_IGNORE=1
	adapter 6 12d1:1506 HUAWEI "E173 Modem"
	tty ttyUSB10 10 6 00 option ID_MM_CANDIDATE=1
	uart ttyS0 64 4
	uart ttyS1 65 4
	uart ttyS2 66 0
} >machine

# on MACHINE ARGUMENT...: as cli, on that machine
on()
{
	local file=$1
	shift
	OUT=$(machine "$file" "$BUILD/comlease" "$@" 2>err)
	RC=$?
	ERR=$(cat err)
}
is() { diff <(cat) <(printf '%s\n' "$OUT") || explain "that is not what was expected"; }

# ---- without a broker ----

sections='# 16550A; now /dev/ttyS0
[port ttyS0]
device = /dev/ttyS0

# FT232R USB UART, USB 0403:6001; now /dev/ttyUSB0
[port ftdi-A50285BI]
usb-serial = A50285BI
usb-interface = 00

# USB Serial, USB 1a86:7523; now /dev/ttyUSB1
# It has no serial number: it is known by the socket that it is plugged into.
[port ch341@3.1]
usb-path = pci-0000:00:14.0-usb-0:3.1:1.0

# Dual RS232-HS, USB 0403:6010; now /dev/ttyUSB2
[port ftdi-FT4QX1Z3-if00]
usb-serial = FT4QX1Z3
usb-interface = 00

# Dual RS232-HS, USB 0403:6010; now /dev/ttyUSB3
[port ftdi-FT4QX1Z3-if01]
usb-serial = FT4QX1Z3
usb-interface = 01

# E173 Modem, USB 12d1:1506; now /dev/ttyUSB10
# It has no serial number: it is known by the socket that it is plugged into.
[port huawei@6]
usb-path = pci-0000:00:14.0-usb-0:6:1.0'

reload='(then send comleased a SIGHUP, or start it)'
[ ! -d /run/systemd/system ] || reload='sudo systemctl reload-or-restart comleased'

whole()
{
	on machine ports
	rc 0 && quiet && is <<-END
	DEVICE         PORT  STATE        DESCRIPTION
	/dev/ttyACM0   -     ignored      Uno, USB 2341:0043, serial number 75735303 (cdc_acm)
	    /dev/serial/by-id/usb-Arduino_Uno_75735303-if00-port0
	    a udev rule tells comlease to leave it alone (COMLEASE_IGNORE=1)
	/dev/ttyS0     -     not managed  16550A (serial)
	/dev/ttyS1     -     console      16550A (serial)
	    the kernel writes its messages to it: comlease leaves it alone
	/dev/ttyUSB0   -     not managed  FT232R USB UART, USB 0403:6001, serial number A50285BI (ftdi_sio)
	    /dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0
	/dev/ttyUSB1   -     not managed  USB Serial, USB 1a86:7523, no serial number (ch341-uart)
	    /dev/serial/by-path/pci-0000:00:14.0-usb-0:3.1:1.0-port0
	/dev/ttyUSB2   -     not managed  Dual RS232-HS, USB 0403:6010, serial number FT4QX1Z3 (ftdi_sio)
	    /dev/serial/by-id/usb-FTDI_Dual_RS232-HS_FT4QX1Z3-if00-port0
	/dev/ttyUSB3   -     not managed  Dual RS232-HS, USB 0403:6010, serial number FT4QX1Z3 (ftdi_sio)
	    /dev/serial/by-id/usb-FTDI_Dual_RS232-HS_FT4QX1Z3-if01-port0
	/dev/ttyUSB10  -     not managed  E173 Modem, USB 12d1:1506, no serial number (option)
	    /dev/serial/by-path/pci-0000:00:14.0-usb-0:6:1.0-port0
	    ModemManager may open it to see whether it is a modem; \`comlease doctor\` tells more

	Nothing is known of what is managed: no broker at $COMLEASE_SOCKET.
	Sections that comlease.conf has already may be among those below.

	To have comlease manage the others, append the sections below to
	/etc/comlease/comlease.conf (change the names as you like), and have it
	read again:

	    comlease ports --config | sudo tee -a /etc/comlease/comlease.conf
	    $reload

	$sections
	END
}
check "ports are listed without a broker, with a section for each that can be managed" whole

alone()
{
	on machine ports --config
	rc 0 && is <<<"$sections" && err "no broker at $COMLEASE_SOCKET: sections that comlease.conf has"
}
check "--config prints the sections alone, and says on stderr that there is no broker" alone

takes()
{
	on machine ports --config
	{ echo '[port usb-*]'; printf '%s\n' "$OUT"; echo '[broker]'; echo "lock-dir = $SCRATCH"; } >conf
	timeout 20 comleased -c "$SCRATCH/conf" --check-config
}
if can_revoke; then
	check "comleased takes the sections as they are" takes
else
	skip "comleased takes the sections as they are" "ports are refused without CAP_SYS_ADMIN"
fi

opened()
{
	timeout 60 umockdev-run --device=machine -- \
		strace -f -qq -e trace=open,openat,openat2 -o trace "$BUILD/comlease" ports >/dev/null 2>&1 ||
		[ -s trace ] || { echo "strace does not run"; return 1; }
	! grep -E '"(/[^"]*)?/dev/(ttyS|ttyUSB|ttyACM|serial)' trace
}
if timeout 20 strace -qq -o /dev/null true 2>/dev/null && [[ $BUILD != *asan* ]]; then
	check "no port is opened" opened
else
	skip "no port is opened" "strace does not work here"
fi

json()
{
	on machine ports --json
	rc 0 && quiet && out '"broker":false' &&
		out '"node":"/dev/ttyUSB0","state":"not managed","description":"FT232R USB UART","vendor":"FTDI","driver":"ftdi_sio","usb":"0403:6001","serial":"A50285BI","interface":"00","path":"pci-0000:00:14.0-usb-0:2:1.0"' &&
		out '"section":"# USB Serial, USB 1a86:7523; now /dev/ttyUSB1.n# It has no serial' &&
		python3 -c 'import json,sys; assert len(json.load(sys.stdin)["ports"]) == 8' <<<"$OUT"
}
check "--json has every port, with its section" json

{ board ttyS0; } >bare
check "a machine without a serial port is told so" eval 'on bare ports; rc 0 && out "^This machine has no serial port" && ! grep -q append <<<"$OUT"'
check "... and --config prints nothing" eval 'on bare ports --config; rc 0 && [ -z "$OUT" ] && err "no port to add"'
check "ports --help says how, in 80 columns" eval \
	'prints "^usage: comlease ports" ports --help; out "Exit status" && [ "$(wc -L <<<"$OUT")" -le 80 ]'
. "$TREE/client/comlease.bash"
check "completion: the command and its options" eval 'completes "ports" comlease po && completes "--config" comlease ports --c'
check "usage, 64: ports WORD" fails 64 'try .comlease ports --help' ports modem0
check "usage, 64: --config and --json" fails 64 'not both' ports --config --json

# ---- adapters that are hard to tell apart ----

{
	board ttyS0
	adapter 1 10c4:ea60 "Silicon Labs" "CP2102 USB to UART" 0001
	tty ttyUSB0 0 1 00 cp210x
	adapter 2 10c4:ea60 "Silicon Labs" "CP2102 USB to UART" 0001
	tty ttyUSB1 1 2 00 cp210x
	adapter 3 110a:1250 Moxa "UPort 1250" 1234
	PORT=0 tty ttyUSB2 2 3 00 mxuport
	PORT=1 tty ttyUSB3 3 3 00 mxuport
} >twins
twins()
{
	on twins ports --config
	rc 0 && is <<-'END'
	# CP2102 USB to UART, USB 10c4:ea60; now /dev/ttyUSB0
	# Its serial number is not its alone: it is known by the socket that it is plugged into.
	[port cp210x@1]
	usb-path = pci-0000:00:14.0-usb-0:1:1.0

	# CP2102 USB to UART, USB 10c4:ea60; now /dev/ttyUSB1
	# Its serial number is not its alone: it is known by the socket that it is plugged into.
	[port cp210x@2]
	usb-path = pci-0000:00:14.0-usb-0:2:1.0

	# UPort 1250, USB 110a:1250; now /dev/ttyUSB2
	# Its serial number is not its alone: it is known by the socket that it is plugged into.
	[port moxa-1234]
	device = /dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0-port0

	# UPort 1250, USB 110a:1250; now /dev/ttyUSB3
	# Its serial number is not its alone: it is known by the socket that it is plugged into.
	[port moxa-1234-2]
	device = /dev/serial/by-path/pci-0000:00:14.0-usb-0:3:1.0-port1
	END
}
check "twins are told apart by their sockets, several ports of one interface by their links" twins

# ---- with a broker ----

since='"since":0,"disabled":false,"revocable":true,"waiting":0,"waiters":[]'
echo '{"io.comlease.List":{"parameters":{"ports":[
	{"name":"modem0","device":"/run/comlease/port/modem0","node":"/dev/ttyUSB0","rdev":48128,"state":"free",'"$since"'},
	{"name":"board","device":"/dev/ttyUSB1","state":"free",'"$since"'},
	{"name":"usb-x","device":"/run/comlease/port/usb-x","node":"/dev/ttyUSB10","state":"free",'"$since"'},
	{"name":"ttyS0","device":"/dev/ttyS9","state":"absent",'"$since"'}],
	"pools":[{"name":"ftdi-FT4QX1Z3-if00","ports":[]}]}}}' >answers
reading canned python3 "$TREE/tests/canned.py" "$COMLEASE_SOCKET" answers
wait_line "$canned" ready || exit 1

managed()
{
	on machine ports
	rc 0 && quiet && out '/dev/ttyUSB0 +modem0 +managed +FT232R' && out '/dev/ttyUSB1 +board +managed' &&
		out '/dev/ttyS1 +- +console' && [[ $OUT != *"Nothing is known"* && $OUT != *A50285BI$'\n'usb* ]]
}
check "which port manages a device: by number, by path, by node" managed

left()
{
	on machine ports --config
	rc 0 && quiet && grep '^\[' <<<"$OUT" >names && [ -e /etc/comlease/comlease.conf ] || diff names - <<-'END'
	[port usb-*]
	[port ttyS0-2]
	[port ftdi-FT4QX1Z3-if00-2]
	[port ftdi-FT4QX1Z3-if01]
	END
}
check "what is managed gets no section, and no name is given twice" left
check "without comlease.conf the sections go on adopting what is plugged in" eval 'on machine ports; [ -e /etc/comlease/comlease.conf ] || out "with one, it goes on"'
done_reading "$canned"

# ---- with one that hangs ----

rm -f "$COMLEASE_SOCKET"
reading deaf python3 -c '
import signal, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print("ready", flush=True)
signal.pause()' "$COMLEASE_SOCKET"
wait_line "$deaf" ready || exit 1
hung()
{
	on machine ports
	rc 0 && quiet && out '/dev/ttyUSB0 +' && out 'device = /dev/ttyS0' &&
		out "Nothing is known of what is managed: $COMLEASE_SOCKET: the broker does not answer: nothing came for 10 seconds\."
}
check "a broker that hangs is not waited for: what the machine has is listed" hung
done_reading "$deaf"

finish
