# vm_guest_rule.sh - who may open what; login terminals; doctor and ports; a fax (sourced by vm_guest.sh)

# ---- the opt-in rule ----

open_to_dialout() { same mode 'dialout 660' "$(stat -L -c '%G %a' /dev/ttyUSB?)"; }
enforce()
{
	open_to_dialout || return 1
	ln -s /usr/share/comlease/72-comlease-enforce.rules /etc/udev/rules.d/ && udevadm control --reload &&
		udevadm trigger --settle --subsystem-match=tty --action=change
	same mode 'root 600' "$(stat -L -c '%G %a' /dev/comlease/*A1*)"
}
kept_out() { says "$(as ann /tests/vm_client open "$(readlink -f /dev/comlease/*A1*)" 2>&1)" EACCES; }
let_in()
{
	is_free usb0 && far usb0 0 && as ann timeout $PATIENCE comlease run usb0 -- /tests/vm_client write '[ann]' 9>&- || return 1
	far usb0 5 && same 'what arrives' "$(hex '[ann]')" "$FAR"
}
other_kept_out() { ! REFUSED=$(as bob timeout $PATIENCE comlease run usb0 -- /tests/vm_client write '[bob]' 2>&1 9>&-) && says "$REFUSED" ermission; }
check "the rule that a site may choose takes the devices away from their group" enforce
check "... then an ordinary user of dialout can't open one by himself" kept_out
check "... and can by comlease run" let_in
check "... and one who is not in that group can't" other_kept_out
rm -f /etc/udev/rules.d/72-comlease-enforce.rules
udevadm control --reload
udevadm trigger --settle --subsystem-match=tty --action=change

# ---- ports that nobody gets ----

# refused PORT: at once, and not only waiting.
refused()
{
	local status
	REFUSED=$(timeout $PATIENCE comlease run "$1" -- true 2>&1 9>&-)
	status=$?
	[ $status != 0 ] && [ $status != 124 ] || { echo "status $status: $REFUSED"; return 1; }
}
console_refused() { refused console && says "$REFUSED" "the kernel's console"; }
check "the kernel's console is refused, with the reason" console_refused
note "$REFUSED"
getty_seen() { says "$(comlease status login)" getty; }
getty_refused()
{
	systemctl start serial-getty@ttyS2.service && eventually getty_seen || return 1
	refused login && says "$REFUSED" 'login terminal.*getty'
}
check "a port with a getty is refused, with the reason" getty_refused
note "$REFUSED"
systemctl stop serial-getty@ttyS2.service

# ---- what it says of the machine ----

ports_listed()
{
	local said
	said=$(timeout 60 comlease ports 2>&1 9>&-) || { echo "status $?: $said"; return 1; }
	says "$said" 'ttyUSB.*usb0|usb0.*ttyUSB' && says "$said" '0403:6001' && says "$said" A1 && says "$said" ttyS0
}
check "comlease ports names the adapter with its ids and its serial number, and the console" ports_listed
# It ends with 0 when all is well.
examined()
{
	local said status
	said=$(timeout 60 comlease doctor 2>&1 9>&-)
	status=$?
	echo "$said" >doctor
	[ $status -le 1 ] && says "$said" TIOCVHANGUP
}
check "comlease doctor has looked at the kernel and the machine" examined
note "$(cat doctor)"

# ---- a fax ----

# The modems' telephone line does not wait: where an emulated machine is late with the next row, it is lost, and the
# page is sent again. One of three will do.
fax()
{
	cp /tests/page.tif . || return 1
	for _ in 1 2 3; do
		is_free usb0 && host modem usb0 || return 1
		timeout 250 comlease run -l fax -- efax -d "$(readlink -f /run/comlease/port/usb0)" -o1 -h ' ' -l 100 -t 200 page.tif 2>&1 9>&- &&
			host page && return 0
	done
	return 1
}
if [ -e /tests/page.tif ]; then
	check "efax, as it is, sends a page through a ttyUSB under comlease run: it arrives at another efax, row by row" fax
	note "$ANSWER"
else
	ok "efax sends a page through a ttyUSB # SKIP no ghostscript or efax to make one"
fi
