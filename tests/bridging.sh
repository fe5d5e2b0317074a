# bridging.sh - starts and ends `comlease bridge` (sourced after lib.sh)
#
# The one tricky idea: a bridge tells whoever sets NOTIFY_SOCKET that its link is there, as it tells systemd.

NOTIFIED='
import socket, sys
notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notes.bind(sys.argv[1])
print("bound", flush=True)
print(notes.recv(1000).decode(), flush=True)'

# start_bridge NAME [OPTION...] PORT: the link is $SCRATCH/NAME; what it says, $SCRATCH/NAME.err.
declare -A BRIDGE
start_bridge()
{
	local name=$1 notes result
	shift
	rm -f "$SCRATCH/$name.notify"
	reading notes /usr/bin/python3 -c "$NOTIFIED" "$SCRATCH/$name.notify"
	wait_line "$notes" '^bound$' || return 1
	NOTIFY_SOCKET=$SCRATCH/$name.notify comlease bridge "$@" "$SCRATCH/$name" >/dev/null 2>"$SCRATCH/$name.err" &
	BRIDGE[$name]=$!
	wait_line "$notes" '^READY=1$'
	result=$?
	done_reading "$notes"
	[ $result = 0 ] || cat "$SCRATCH/$name.err"
	return $result
}
stop_bridge() # NAME
{
	kill "${BRIDGE[$1]}" && wait "${BRIDGE[$1]}"
}
