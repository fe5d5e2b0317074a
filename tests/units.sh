#!/bin/bash
# units.sh - what systemd reads of us: are the units installed whole, does it find nothing wrong with them, do they
# give away no more than they must, does the command of comleased.service work as it stands?
#
# BUILD=build/release tests/units.sh      TAP on stdout
#
# No systemd needs to run: systemd-analyze reads files. comlease-bridge@.service is tried in spy.sh.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
cd "$SCRATCH" || exit 1
P=$SCRATCH/prefix
UNITS=$P/lib/systemd/system

mkdir -p "$P/sbin" "$P/bin" && ln -s "$BUILD/comleased" "$P/sbin" && ln -s "$BUILD/comlease" "$P/bin"

installed()
{
	make -s -C "$TREE" install-units prefix="$P" sysconfdir="$SCRATCH/etc" || return 1
	for file in "$UNITS"/comleased.service "$UNITS"/comleased.socket "$UNITS"/comlease-bridge@.service \
		"$P/lib/sysusers.d/comlease.conf" "$P/lib/tmpfiles.d/comlease.conf"; do
		[ "$(stat -c %a "$file")" = 644 ] || return 1
		! grep -n '@[a-z]*@' "$file" || return 1
	done
}
check "units, sysusers.d and tmpfiles.d are installed, with every @word@ replaced" installed

# key KEY FILE: its value in a unit
key() { sed -n "s/^$1=//p" "$2"; }

# The path that clients use, comleased binds and systemd listens on is one.
same_socket()
{
	local default
	default=$(sed -n 's|.*"\(/run/comlease/comlease.sock\)".*|\1|p' "$TREE/broker/config_default.c" | head -n 1)
	[ -n "$default" ] && [ "$(key ListenStream "$UNITS/comleased.socket")" = "$default" ] &&
		[ "$(key RuntimeDirectory "$UNITS/comleased.service")" = "$(basename "$(dirname "$default")")" ] &&
		[ "$(key RuntimeDirectoryPreserve "$UNITS/comleased.service")" = yes ]
}
check "the socket unit listens where the default configuration says, in a folder that stays" same_socket

if command -v systemd-analyze >/dev/null; then
	verified() { said=$(systemd-analyze --man=no verify "$@" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }; }
	check "systemd-analyze verify has nothing to say about comleased.service" verified "$UNITS/comleased.service"
	check "... about comleased.socket" verified "$UNITS/comleased.socket"
	secure()
	{
		systemd-analyze security --help | grep -q -- --offline || return 0 # before version 250
		systemd-analyze security --offline=true --threshold=30 "$UNITS/comleased.service" | tail -n 1
		return "${PIPESTATUS[0]}"
	}
	check "systemd-analyze security: exposed to 3.0 of 10 at the most" secure
else
	for sentence in "systemd-analyze verify has nothing to say about comleased.service" "... about comleased.socket" \
		"systemd-analyze security: exposed to 3.0 of 10 at the most"; do
		skip "$sentence" "systemd is not installed"
	done
fi

users()
{
	mkdir -p root/etc
	: >root/etc/passwd
	: >root/etc/group
	systemd-sysusers --root="$SCRATCH/root" "$P/lib/sysusers.d/comlease.conf" || return 1
	grep -q '^comlease:.*:/var/lib/comlease:.*nologin$' root/etc/passwd && grep -q '^dialout:' root/etc/group
}
folders()
{
	systemd-tmpfiles --root="$SCRATCH/root" --create "$P/lib/tmpfiles.d/comlease.conf" &&
		[ "$(stat -c %a root/run/comlease root/var/lib/comlease | tr '\n' ' ')" = "755 755 " ]
}
if [ "$(id -u)" != 0 ]; then
	skip "systemd-sysusers makes the user and the group" "needs root"
	skip "systemd-tmpfiles makes the folders" "needs root"
elif ! command -v systemd-sysusers >/dev/null; then
	skip "systemd-sysusers makes the user and the group" "systemd is not installed"
	skip "systemd-tmpfiles makes the folders" "systemd is not installed"
else
	check "systemd-sysusers makes the user and the group" users
	check "systemd-tmpfiles makes the folders" folders
fi

# As the unit runs it, but for the paths.
its_command()
{
	local command pid status
	command=$(key ExecStart "$UNITS/comleased.service")
	printf '[broker]\nlock-dir = %s\n' "$SCRATCH" >conf
	mkfifo log
	$command -c "$SCRATCH/conf" -s "$COMLEASE_SOCKET" --state-dir "$SCRATCH/state" 2>log &
	pid=$!
	exec {fd}<log
	wait_line "$fd" ' start socket=' || return 1
	MAINPID=$pid bash -c "$(key ExecReload "$UNITS/comleased.service")" && wait_line "$fd" 'reload result=done' || return 1
	kill "$pid" && wait "$pid"
	status=$?
	exec {fd}<&-
	return $status
}
check "its ExecStart is one of ours, and its ExecReload has the configuration read" its_command

# By hand, while the system's service manager (process 1) listens: its socket must not be taken away.
taken_by_1()
{
	printf '[broker]\nlock-dir = %s\n' "$SCRATCH" >conf
	timeout 60 unshare -pf --mount-proc /usr/bin/python3 - "$BUILD/comleased" -c "$SCRATCH/conf" -s "$SCRATCH/taken" \
		--state-dir "$SCRATCH/state" <<-'END'
		import os, socket, subprocess, sys
		assert os.getpid() == 1
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(sys.argv[5])
		listener.listen()
		ended = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True)
		sys.exit(0 if ended.returncode == 69 and "systemctl start comleased" in ended.stderr and os.path.exists(sys.argv[5])
		         else ended.stderr + str(ended.returncode))
	END
}
if [ "$(id -u)" = 0 ] && unshare -pf --mount-proc true 2>/dev/null; then
	check "the socket on which process 1 listens is not taken away from it" taken_by_1
else
	skip "the socket on which process 1 listens is not taken away from it" "needs root, and namespaces"
fi

finish
