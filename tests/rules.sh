#!/bin/bash
# rules.sh - what do the udev rules make of the serial ports of a machine?
#
# BUILD=build/release tests/rules.sh      TAP on stdout
#
# The machine is umockdev's, the judge is udev itself: `udevadm test` reads the rules and says what it would do.
# It wants to write below /run and /dev, so it gets its own of both, in a mount namespace (of a user namespace if
# this is not root). Of the system's rules only those are there that ours stand between.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)

# On a machine without udev it is unpacked there by `make check`.
UNPACKED=$TREE/build/udev/root
PATH=$PATH:/usr/sbin:/sbin:$UNPACKED/bin:$UNPACKED/usr/bin
udev_library=$(echo "$UNPACKED"/lib/*/ "$UNPACKED"/usr/lib/*/)

no() { echo "1..0 # SKIP $1"; exit 0; }
command -v umockdev-run >/dev/null || no "needs umockdev-run (Debian: umockdev)"
UDEVADM=$(command -v udevadm) || no "needs udevadm (Debian: udev)"
own=(unshare --mount)
[ "$(id -u)" = 0 ] || own=(unshare --user --map-root-user --mount)
"${own[@]}" mount -t tmpfs tmpfs /run 2>/dev/null || no "needs a mount namespace, which this user may not have here"

# ---- the machine ----

ROOT=/devices/pci0000:00/0000:00:14.0
machine()
{
	printf 'P: %s\nE: SUBSYSTEM=pci\nA: vendor=0x8086\nA: device=0x1e31\n\n' $ROOT
	printf 'P: %s/usb1\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: idVendor=1d6b\nA: idProduct=0002\n\n' $ROOT
	# two interfaces, a port each
	usb 1-2 0403 6010 FTDI "Dual RS232-HS" FT4ABC
	serial 1-2 0 ttyUSB0 0; serial 1-2 1 ttyUSB1 0
	# two of a kind, without a serial number
	usb 1-3 1a86 7523 1a86 "USB Serial" ""; serial 1-3 0 ttyUSB2 0
	usb 1-4 1a86 7523 1a86 "USB Serial" ""; serial 1-4 0 ttyUSB3 0
	# one interface, two ports
	usb 1-5 110a 1250 MOXA "UPort 1250" M1; serial 1-5 0 ttyUSB4 0; serial 1-5 0 ttyUSB5 1
	# the first one, plugged in elsewhere
	usb 1-6 0403 6010 FTDI "Dual RS232-HS" FT4ABC; serial 1-6 1 ttyUSB6 0
	usb 1-7 2341 0043 Arduino Uno A7; serial 1-7 0 ttyACM0
	usb 1-8 04e2 1410 Exar XR21V1410 X8; serial 1-8 0 ttyXRUSB0
	printf 'P: /devices/platform/serial8250\nE: SUBSYSTEM=platform\n\n'
	uart ttyS0 4 N; uart ttyS1 0 N; uart ttyS2 4 Y; uart ttyAMA0 32 N; uart ttymxc1 62 N
	for name in tty1 hvc0 ttyGS0 ttyprintk; do tty /devices/virtual/tty/$name; echo; done
}

tty() # DEVPATH
{
	MINOR=$((MINOR + 1))
	printf 'P: %s\nN: %s\nE: DEVNAME=/dev/%s\nE: SUBSYSTEM=tty\nE: MAJOR=188\nE: MINOR=%d\nA: dev=188:%d\\n\n' \
		"$1" "${1##*/}" "${1##*/}" $MINOR $MINOR
}

uart() # NAME TYPE CONSOLE
{
	tty "/devices/platform/serial8250/tty/$1"
	printf 'A: type=%s\\n\nA: console=%s\\n\n\n' "$2" "$3"
}

usb() # PLACE VENDOR PRODUCT MANUFACTURER NAME SERIAL
{
	MINOR=$((MINOR + 1))
	printf 'P: %s/usb1/%s\nN: bus/usb/001/%03d\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n' $ROOT "$1" $MINOR
	printf 'E: DEVNAME=/dev/bus/usb/001/%03d\nE: MAJOR=189\nE: MINOR=%d\n' $MINOR $MINOR
	printf 'A: idVendor=%s\\n\nA: idProduct=%s\\n\nA: manufacturer=%s\\n\nA: product=%s\\n\n' "$2" "$3" "$4" "$5"
	printf 'A: bcdDevice=0700\\n\n'
	[ -z "$6" ] || printf 'A: serial=%s\\n\n' "$6"
	echo
}

interface() # PLACE NUMBER
{
	printf 'P: %s\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n' "$ROOT/usb1/$1/$1:1.$2"
	printf 'A: bInterfaceNumber=0%d\\n\nA: bInterfaceClass=ff\\n\nA: bInterfaceSubClass=ff\\n\n' "$2"
	printf 'A: bInterfaceProtocol=ff\\n\n\n'
}

serial() # PLACE INTERFACE NAME [PORT]
{
	local path=$ROOT/usb1/$1/$1:1.$2
	[ "${4-0}" != 0 ] || interface "$1" "$2"
	if [ -n "${4-}" ]; then
		path=$path/$3
		printf 'P: %s\nE: SUBSYSTEM=usb-serial\nA: port_number=%d\\n\n\n' "$path" "$4"
	fi
	tty "$path/tty/$3"
	echo
}

MINOR=0
machine >"$SCRATCH/machine"
sed -n 's|^P: \(.*/tty/[^/]*\)$|\1|p' "$SCRATCH/machine" >"$SCRATCH/ttys"

# ---- udev ----

# The system's own, and ours.
mkdir "$SCRATCH/rules" "$SCRATCH/enforce"
for name in 50-udev-default 60-serial 73-seat-late; do
	for folder in "$UNPACKED/lib/udev" /usr/lib/udev /lib/udev; do
		[ ! -e $folder/rules.d/$name.rules ] || cp $folder/rules.d/$name.rules "$SCRATCH/rules"
	done
done
cp "$TREE/udev/70-comlease.rules" "$SCRATCH/rules"
# What a site and other packages may have.
cat >"$SCRATCH/rules/61-local.rules" <<'END'
KERNEL=="ttyUSB2", ENV{COMLEASE_IGNORE}="1"
KERNEL=="ttyUSB4", ENV{SYSTEMD_WANTS}+="other.service", SYMLINK+="other"
SUBSYSTEM=="tty", TAG+="uaccess"
END
echo 'SUBSYSTEM=="tty", GROUP="root", MODE="0666"' >"$SCRATCH/rules/99-other.rules"
cp "$SCRATCH/rules"/* "$TREE/udev/72-comlease-enforce.rules" "$SCRATCH/enforce"
cat >"$SCRATCH/inside" <<'END'
# inside RULES ACTION - what udev says of each tty, to ACTION.NAME
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/rules.d /run/dev
cp "$1"/* /run/udev/rules.d
for folder in /etc/udev/rules.d /usr/local/lib/udev/rules.d /usr/lib/udev/rules.d; do
	[ ! -d $folder ] || mount -t tmpfs tmpfs $folder
done
mount -t tmpfs tmpfs /run/dev
mkdir /run/dev/pts
: >/run/dev/null
mount --bind /dev/null /run/dev/null
mount -t devpts -o newinstance,ptmxmode=0666 devpts /run/dev/pts
ln -s pts/ptmx /run/dev/ptmx
mount --move /run/dev /dev
exec umockdev-run -d machine -- sh -c 'while read -r path; do
	timeout 20 "$UDEVADM" test --action="$2" "/sys$path" >"$1/$2.${path##*/}" 2>&1 </dev/null || exit 1
done <ttys' sh "$1" "$2"
END
export UDEVADM
events() # RULES ACTION
{
	(cd "$SCRATCH" && LD_LIBRARY_PATH=${udev_library// /:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
		timeout 120 "${own[@]}" sh inside "$1" "$2")
}

# said NAME: what udev said of it. $RULES and $ACTION: at which event.
RULES=rules ACTION=add
said() { cat "$SCRATCH/$RULES/$ACTION.$1"; }
property() { said "$1" | sed -n "s/^$2=//p"; }
link() { property "$1" DEVLINKS | tr ' ' '\n' | sed -n 's|^/dev/comlease/||p'; }
# The last assignment of MODE, OWNER, GROUP is the one that holds.
last() { said "$1" | sed -n "s/.*\.rules:[0-9]* $2 //p" | tail -n 1; }

is() { [ "$1" = "$2" ] || { echo "\"$1\", not \"$2\""; return 1; }; }
managed()
{
	local name
	for name; do
		[[ $(property "$name" CURRENT_TAGS) == *:comlease:* && $(property "$name" CURRENT_TAGS) == *:systemd:* ]] &&
			[[ " $(property "$name" SYSTEMD_WANTS) " == *" comleased.service "* ]] || { echo "$name:"; said "$name"; return 1; }
	done
}
untouched()
{
	local name
	for name; do
		! said "$name" | grep -v 'Reading rules file' | grep -iE 'comlease' | grep -v '^COMLEASE_IGNORE=' || { echo "$name"; return 1; }
		[ -s "$SCRATCH/$RULES/$ACTION.$name" ] && said "$name" | grep -q '^DEVPATH=' || { echo "$name: no answer"; return 1; }
	done
}

check "udev judges every port" events rules add
if [ $FAILED != 0 ]; then finish; fi
faultless()
{
	events enforce add || return 1
	! cat "$SCRATCH"/enforce/add.* | grep -E '(70|72)-comlease[a-z-]*\.rules:[0-9]+ ' |
		grep -vE ' (LINK|OWNER|GROUP|MODE|RUN|Importing) ?' | sort -u | grep .
}
check "... and finds no fault with the rules" faultless

all_kinds() { managed ttyUSB0 ttyUSB1 ttyUSB3 ttyUSB4 ttyUSB5 ttyACM0 ttyXRUSB0; }
check "USB ports start comleased" all_kinds
boards() { managed ttyS0 ttyAMA0 ttymxc1 && is "$(link ttyS0)" ""; }
check "ports of the board do, and need no other name" boards
check "a ttyS without hardware gets nothing" untouched ttyS1
check "nor does one to which the kernel writes" untouched ttyS2
check "nor do terminals, consoles and the far side of a gadget" untouched tty1 hvc0 ttyGS0 ttyprintk
check "nor does a port that a site's rule ignores" untouched ttyUSB2

two_interfaces()
{
	is "$(link ttyUSB0)" usb-FTDI_Dual_RS232-HS_FT4ABC-if00-port0 && is "$(link ttyUSB1)" usb-FTDI_Dual_RS232-HS_FT4ABC-if01-port0
}
check "two ports of one adapter have different names: two interfaces" two_interfaces
two_ports() { is "$(link ttyUSB4)" usb-MOXA_UPort_1250_M1-if00-port0 && is "$(link ttyUSB5)" usb-MOXA_UPort_1250_M1-if00-port1; }
check "... and two ports of one interface" two_ports
check "plugged in elsewhere it has the same name" eval 'is "$(link ttyUSB6)" "$(link ttyUSB1)"'
check "without a serial number the name says where it is plugged in" \
	eval 'is "$(link ttyUSB3)" usb-1a86_USB_Serial-if00-port0@pci-0000:00:14.0-usb-0:4:1.0'
check "an interface without ports is named without one" eval 'is "$(link ttyACM0)" usb-Arduino_Uno_A7-if00'
check "so is a driver that udev does not name itself" eval 'is "$(link ttyXRUSB0)" usb-Exar_XR21V1410_X8-if00'

beside()
{
	is "$(property ttyUSB4 SYSTEMD_WANTS)" "other.service comleased.service" && [[ " $(property ttyUSB4 DEVLINKS) " == *" /dev/other "* ]]
}
check "what a site's rule wants and links is kept" beside
nothing_enforced()
{
	is "$(last ttyUSB0 MODE)" 0666 && is "$(property ttyUSB0 ID_MM_PORT_IGNORE)" "" &&
		[[ $(property ttyUSB0 CURRENT_TAGS) == *:uaccess:* ]] && said ttyUSB0 | grep -q "73-seat-late.rules:[0-9]* RUN 'uaccess'"
}
check "who may open a port is left as it is" nothing_enforced

later_event()
{
	events rules change || return 1
	local name first
	for name in ttyUSB0 ttyUSB3 ttyACM0 ttyS0; do
		first=$(link $name)
		ACTION=change managed $name && is "$(ACTION=change link $name)" "$first" || return 1
	done
	ACTION=change untouched ttyUSB2 ttyS1
}
check "a later event of a port changes nothing" later_event
gone() { events rules remove && ACTION=remove untouched ttyUSB0 ttyUSB3 ttyACM0 ttyS0; }
check "its removal is none of our business" gone

# ---- 72-comlease-enforce.rules ----

RULES=enforce
closed()
{
	local name
	for name in ttyUSB0 ttyACM0 ttyS0; do
		managed $name || return 1
		is "$(last $name OWNER) $(last $name GROUP) $(last $name MODE)" "0 0 0600" || return 1
	done
}
check "enforced: only root opens a port, whatever later rules say" closed
nobody_else()
{
	[[ $(property ttyUSB0 CURRENT_TAGS) != *:uaccess:* ]] || return 1
	is "$(property ttyUSB0 ID_SEAT)" seat-comlease && is "$(property ttyUSB0 ID_MM_PORT_IGNORE)" 1
}
check "... not the people at the machine, nor ModemManager" nobody_else
as_before()
{
	local name
	for name; do
		! said $name | grep -E 'ID_MM_PORT_IGNORE|ID_SEAT|7[02]-comlease[a-z-]*\.rules:' || return 1
		is "$(last $name MODE)" 0666 && [[ $(property $name CURRENT_TAGS) == *:uaccess:* ]] || return 1
	done
}
check "... and ports that are not comlease's stay as they were" as_before ttyUSB2 ttyS1 ttyGS0

# ---- what no event shows ----

no_program() { ! grep -vE '^#' "$TREE"/udev/7*.rules | grep -E 'RUN|PROGRAM|IMPORT\{(program|file|db)'; }
check "no program is run for an event" no_program
finish
