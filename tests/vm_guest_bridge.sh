# vm_guest_bridge.sh - programs that nobody wraps: comlease-bridge@.service, and pyserial with a comlease:// URL
# (sourced by vm_guest.sh)

# ---- comlease-bridge@usb0 ----

LINK=/run/comlease-bridge/usb0/tty-usb0
TRANSCRIPT=/var/log/comlease-bridge/usb0/transcript
unwrapped() { as "$1" /tests/vm_client open $LINK "${@:2}"; }

# It asks for the port when somebody opens the path, and not before.
bridge_up()
{
	is_free usb0 && far usb0 0 || return 1
	echo "BRIDGE_OPTIONS=\"--group dialout --mode 660 --spy $TRANSCRIPT\"" >/etc/default/comlease-bridge-usb0
	systemctl start comlease-bridge@usb0 && same 'the pty' 'dialout 660' "$(stat -L -c '%G %a' $LINK)" &&
		says "$(json usb0)" '"state":"free"'
}
kept_from_bob() { says "$(unwrapped bob 2>&1)" EACCES; }
check "systemctl start comlease-bridge@usb0: the path is there, for the group of its options" bridge_up
check "... and for nobody else" kept_from_bob

# talks COMMAND...: ann's program has the port by that path, and the line works after COMMAND as before.
talks()
{
	local before
	background talker unwrapped ann write '[one]' read 3 write '[two]' read 3 write '[end]'
	far usb0 5 && same 'what arrives' "$(hex '[one]')" "$FAR" || return 1
	far_says usb0 abc && line "${OUT[talker]}" '^read' && same 'what it reads' 'read abc' "$LINE" || return 1
	far usb0 5 && same 'what arrives' "$(hex '[two]')" "$FAR" || return 1
	before=$(token usb0)
	"$@" && port usb0 '"state":"held"' && same token "$before" "$(token usb0)" || return 1
	far_says usb0 def && line "${OUT[talker]}" '^read' && same 'what it reads' 'read def' "$LINE" || return 1
	far usb0 5 && same 'what arrives' "$(hex '[end]')" "$FAR" && release talker && is_free usb0
}
check "a program that opens it has the port until it closes it, and reads and writes" talks true
check "... and notices nothing of a restart of comleased: the lease is the same" talks restarted

waits_its_turn()
{
	hold first usb0 || return 1
	background talker unwrapped ann write '[third]'
	port usb0 '"waiting":1' && far usb0 0 && same 'what arrives before its turn' '' "$FAR" || return 1
	release first && far usb0 7 && same 'what arrives' "$(hex '[third]')" "$FAR" && release talker && is_free usb0
}
transcript() { says "$(cat $TRANSCRIPT)" '\[third\]'; }
check "... and waits behind a holder" waits_its_turn
check "its transcript is where the unit lets it write" transcript

pid_of_bridge() { systemctl show -P MainPID comlease-bridge@usb0; }
another_bridge() { systemctl -q is-active comlease-bridge@usb0 && [ "$(pid_of_bridge)" != "$1" ]; }
bridge_killed()
{
	local old
	is_free usb0 && far usb0 0 || return 1
	old=$(pid_of_bridge)
	kill -9 "$old" && eventually another_bridge "$old" && unwrapped ann write '[again]' || return 1
	far usb0 7 && same 'what arrives' "$(hex '[again]')" "$FAR" && is_free usb0
}
check "kill -9 of the bridge: systemd starts it again, and it works" bridge_killed

bridge_stopped()
{
	is_free usb0 && far usb0 0 || return 1
	background talker unwrapped ann write '[last]' stay
	far usb0 6 && systemctl stop comlease-bridge@usb0 && line "${OUT[talker]}" '^lost' || return 1
	release talker
	[ ! -L $LINK ] || { ls -l ${LINK%/*}; return 1; }
	same 'the unit' inactive "$(systemctl show -P ActiveState comlease-bridge@usb0)" && is_free usb0
}
check "systemctl stop: its program is hung up, the path is gone, the port is free" bridge_stopped

# ---- comlease-python ----

# It has never heard of comlease.
cat >talk.py <<'END'
import sys, serial
line = serial.serial_for_url(sys.argv[1], 115200, timeout=120)
line.write(b"[python]")
print("read", line.read(3).decode(), flush=True)
try:
    line.read(3)
except serial.SerialException as why:
    print("lost:", why, flush=True)
END
pyserial()
{
	hold first usb0 && far usb0 0 || return 1
	background python as ann python3 "$SCRATCH/talk.py" 'comlease://usb0?label=python'
	port usb0 '"waiting":1' && release first && port usb0 '"state":"held".*"label":"python"' || return 1
	far usb0 8 && same 'what arrives' "$(hex '[python]')" "$FAR" || return 1
	far_says usb0 abc && line "${OUT[python]}" '^read' && same 'what it reads' 'read abc' "$LINE"
}
pyserial_revoked() { comlease revoke usb0 && line "${OUT[python]}" '^lost: ' && release python && is_free usb0; }
check "a program of pyserial that is given comlease://usb0 waits for its turn and has the adapter" pyserial
check "... and gets a SerialException when the port is revoked" pyserial_revoked
