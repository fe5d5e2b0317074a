# machine.sh - a machine with serial ports, in the words of umockdev-run (sourced by the shell tests, after
# lib.sh)
#
# Each function prints the description of one device; `machine FILE COMMAND...` runs a command on the machine
# that FILE describes. Nothing of the real one's devices is seen there.

USB=/devices/pci0000:00/0000:00:14.0/usb1
USB_PATH=pci-0000:00:14.0-usb-0

machine()
{
	local file=$1
	shift
	timeout 60 umockdev-run --device="$file" -- "$@"
}

# board CONSOLES: what each machine has: the kernel's console, a virtual one, the USB controller
board()
{
	cat <<-END
	P: /devices/virtual/tty/console
	E: DEVNAME=/dev/console
	E: SUBSYSTEM=tty
	A: active=$1\\n

	P: /devices/virtual/tty/tty1
	E: DEVNAME=/dev/tty1
	E: SUBSYSTEM=tty

	P: $USB
	E: DEVTYPE=usb_device
	E: SUBSYSTEM=usb
	A: busnum=1\\n
	A: devnum=1\\n
	A: idVendor=1d6b\\n
	A: idProduct=0002\\n

	END
}

# uart NAME MINOR TYPE: a port of the board; type 0: nothing is behind it
uart()
{
	cat <<-END
	P: /devices/pnp0/$1
	E: SUBSYSTEM=pnp
	L: driver=../../../bus/pnp/drivers/serial

	P: /devices/pnp0/$1/tty/$1
	N: $1
	E: DEVNAME=/dev/$1
	E: MAJOR=4
	E: MINOR=$2
	E: SUBSYSTEM=tty
	A: dev=4:$2\\n
	A: type=$3\\n

	END
}

# adapter SOCKET VENDOR:PRODUCT MAKER PRODUCT [SERIAL]: a USB device; MAKER "": it does not tell
adapter()
{
	printf 'P: %s\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n' "$USB/1-$1"
	printf 'A: busnum=1\\n\nA: devnum=5\\n\nA: idVendor=%s\\n\nA: idProduct=%s\\n\n' "${2%:*}" "${2#*:}"
	[ -z "$3" ] || printf 'A: manufacturer=%s\\n\n' "$3"
	printf 'A: product=%s\\n\n' "$4"
	[ -z "${5-}" ] || printf 'A: serial=%s\\n\n' "$5"
	echo
	ADAPTER_ID=$2 ADAPTER_SERIAL=${5-} ADAPTER_MAKER=${3:-${2%:*}}
	ADAPTER_NAME=$(tr ' ' _ <<<"$ADAPTER_MAKER $4${5+ $5}")
}

# tty NAME MINOR SOCKET INTERFACE DRIVER [PROPERTY...]: a port of the last adapter, as udev's rules leave it.
# PORT in front of it: which one of that interface's.
tty()
{
	local name=$1 minor=$2 interface=$USB/1-$3/1-$3:1.$((16#$4)) path=$USB_PATH:$3:1.$((16#$4)) parent line
	[ "${PORT-0}" != 0 ] || cat <<-END
	P: $interface
	E: DEVTYPE=usb_interface
	E: SUBSYSTEM=usb
	A: bInterfaceNumber=$4\\n
	L: driver=/sys/bus/usb/drivers/$5

	END
	parent=$interface
	case $name in ttyUSB*)
		parent=$interface/$name
		printf 'P: %s\nE: SUBSYSTEM=usb-serial\nL: driver=/sys/bus/usb-serial/drivers/%s\nA: port_number=%s\\n\n\n' \
			"$parent" "$5" "${PORT-0}"
		;;
	esac
	cat <<-END
	P: $parent/tty/$name
	N: $name
	L: device=../../../${parent##*/}
	E: DEVNAME=/dev/$name
	E: DEVLINKS=/dev/serial/by-path/$path-port${PORT-0} /dev/serial/by-id/usb-$ADAPTER_NAME-if$4-port${PORT-0}
	E: MAJOR=188
	E: MINOR=$minor
	E: SUBSYSTEM=tty
	E: ID_BUS=usb
	E: ID_VENDOR=${ADAPTER_MAKER// /_}
	E: ID_VENDOR_ID=${ADAPTER_ID%:*}
	E: ID_MODEL_ID=${ADAPTER_ID#*:}
	E: ID_USB_INTERFACE_NUM=$4
	E: ID_PATH=$path
	E: USEC_INITIALIZED=1
	A: dev=188:$minor\\n
	END
	[ -z "$ADAPTER_SERIAL" ] || echo "E: ID_SERIAL_SHORT=$ADAPTER_SERIAL"
	shift 5
	for line; do echo "E: $line"; done
	echo
}
