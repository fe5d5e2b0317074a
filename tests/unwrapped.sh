# unwrapped.sh - a virtual port for programs that are wrapped by nothing (sourced after lib.sh, in $SCRATCH)
#
# Responsible for starting and ending `comlease bridge`. It knows no program.
#
# The one tricky idea: the bridge tells its service manager when its link is there, and here that is a socket of ours.

# shellcheck disable=SC2034
MANAGER='
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
print(s.recv(4096).decode(), flush=True)'

# bridge PORT LINK [OPTION...]: returns when LINK is there. $BRIDGE is its pid, $VIRTUAL the device behind LINK.
bridge()
{
	local port=$1 link=$2 manager
	shift 2
	rm -f notify
	reading manager /usr/bin/python3 -c "$MANAGER" "$SCRATCH/notify"
	wait_line "$manager" '^bound$' || return 1
	NOTIFY_SOCKET=$SCRATCH/notify comlease bridge "$@" "$port" "$link" >bridge.log 2>&1 &
	BRIDGE=$!
	wait_line "$manager" '^READY=1$' || { cat bridge.log; return 1; }
	done_reading "$manager" 0
	VIRTUAL=$(readlink "$link")
}

# end_bridge LINK: and nothing of it is left.
end_bridge() { kill "$BRIDGE" && wait "$BRIDGE" && [ ! -L "$1" ]; }
