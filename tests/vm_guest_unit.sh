# vm_guest_unit.sh - systemd and comlease: restart, reload, crash, watchdog, socket (sourced by vm_guest.sh)

# lives_through COMMAND...: one holds, one waits; neither notices.
lives_through()
{
	local before
	is_free usb0 && far usb0 0
	ask first usb0 write '[one]' read 3 write '[two]' stay
	far usb0 5 || return 1
	ask second usb0 stay
	port usb0 '"waiting":1' || return 1
	before=$(token usb0)
	"$@" || return 1
	eventually systemctl -q is-active comleased.service && port usb0 '"state":"held".*"waiting":1' || return 1
	same token "$before" "$(token usb0)" || return 1
	says "$(json usb0)" "\"lease\":{[^}]*\"pid\":${PID[first]},[^}]*},\"label\":\"first\"" || return 1
	far_says usb0 abc && line "${OUT[first]}" '^read' && same 'what the holder reads' 'read abc' "$LINE" || return 1
	far usb0 5 && same 'what it writes' "$(hex '[two]')" "$FAR" || return 1
	release first && line "${OUT[second]}" '^staying' && release second
}
killed()
{
	local old
	old=$(pid_of_service)
	kill -9 "$old" && eventually another_pid "$old"
}
another_pid() { local new; new=$(pid_of_service); [ "$new" != 0 ] && [ "$new" != "$1" ]; }
check "systemctl restart: a lease keeps its token and its line, and who waits his place" lives_through restarted
check "systemctl reload: the same" lives_through systemctl reload comleased.service
check "kill -9 of the supervisor: systemd starts it again, and the lease lives" lives_through killed

watchdog_is_on() { [ "$(systemctl show -P WatchdogUSec comleased.service)" != 0 ]; }
stopped_dead()
{
	local old
	old=$(pid_of_service)
	kill -STOP "$old" && eventually another_pid "$old"
}
check "the watchdog is on" watchdog_is_on
check "a supervisor that hangs is ended by the watchdog and started again; the lease lives" lives_through stopped_dead
tells_its_state() { [ -n "$(systemctl show -P StatusText comleased.service)" ]; }
check "... and it says how it is in systemctl status" tells_its_state
note "$(systemctl show -P StatusText comleased.service)"

kill "$MONITOR" && wait "$MONITOR" # it would ask at once
by_socket()
{
	systemctl stop comleased.service && systemctl start comleased.socket || return 1
	same 'the service' inactive "$(systemctl show -P ActiveState comleased.service)" || return 1
	once usb0 write '[socket]' && far usb0 8 && same 'what arrives' "$(hex '[socket]')" "$FAR"
}
check "the service is stopped and somebody asks: the socket starts it, and he gets his port" by_socket

exposure()
{
	EXPOSURE=$(systemd-analyze security --no-pager comleased.service 2>/dev/null | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
	[ -n "$EXPOSURE" ] && [ "${EXPOSURE/./}" -le 30 ]
}
check "systemd-analyze security: an exposure of 3.0 at the most" exposure
note "it is ${EXPOSURE:-not known}"
