#!/bin/bash
# python_install.sh - does a program that never heard of comlease open a comlease:// URL once it is installed?
#
# BUILD=build/release tests/python_install.sh      TAP on stdout; PYTHON: another interpreter, with pyserial
#
# `make install-python` into a scratch folder and into a virtual environment, pyserial from where the machine has
# it, the soft modem at the other end; then `make uninstall-python`, and nothing is left.

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
TREE=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-/usr/bin/python3}
unset PYTHONPATH MAKEFLAGS MFLAGS MAKELEVEL DESTDIR prefix pythondir

if ! "$PYTHON" -c 'import sys, serial; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
	echo "1..0 # SKIP needs python3 (3.9 or later) and pyserial (Debian: python3-serial)"
	exit 0
fi
cd "$SCRATCH" || exit 1

make_() { timeout 60 make -s -C "$TREE" "$@"; }
files() { find "$1" -type f | sort; }

cat >program.py <<'END'
import serial, sys
with serial.serial_for_url("comlease://modem0?wait=20", timeout=20) as port:
    port.write(b"ATI\r")
    print(port.read_until(b"OK\r\n").split(), port.lease.port)
END
answers() { grep -q "spandsp.*OK.*modem0" said || { cat said; return 1; }; }

start_modems modem0
start_broker <<CONF
$(port modem0)
CONF

VERSION=$("$PYTHON" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')

below_destdir()
{
	make_ install-python DESTDIR="$SCRATCH/root" prefix=/opt/x PYTHON="$PYTHON" || return 1
	FOLDER=$SCRATCH/root/opt/x/lib/$VERSION/site-packages
	[ -f "$FOLDER/comlease.pth" ] && [ -f "$FOLDER/comlease/__init__.py" ] || { files root; return 1; }
	! grep -rl "$SCRATCH" "$FOLDER" || { echo "names the scratch folder"; return 1; }
}
check "it goes below DESTDIR and prefix, and DESTDIR is not written down" below_destdir

# What python does at its start with each of its folders, here for one more.
finds()
{
	"$PYTHON" -c 'import runpy, site, sys
site.addsitedir(sys.argv[1])
assert not [name for name in sys.modules if name.startswith(("comlease", "serial"))]
runpy.run_path("program.py")' "$FOLDER" >said 2>&1 && answers
}
check "with that folder a program's URL is found, and nothing is loaded before it names one" finds

foreign_names()
{
	"$PYTHON" -c 'import site, sys
site.addsitedir(sys.argv[1])
import serial
for url in "comleas://x", "comlease2://x":
    try: serial.serial_for_url(url)
    except ValueError as error: assert "not known" in str(error), error
    else: raise AssertionError
try: import serial.urlhandler.protocol_other
except ImportError: pass
serial.serial_for_url("loop://").close()
assert "comlease" not in sys.modules' "$FOLDER"
}
check "other URLs and other modules are none of its business" foreign_names

# A package that is half gone must not spoil the start of Python.
half_gone()
{
	mv "$FOLDER/comlease" "$FOLDER/away" || return 1
	"$PYTHON" -W error -c 'import site, sys
site.addsitedir(sys.argv[1])
import serial
try: serial.serial_for_url("comlease://x")
except ValueError as error: assert "not known" in str(error), error
else: raise AssertionError' "$FOLDER" 2>&1
	local result=$?
	mv "$FOLDER/away" "$FOLDER/comlease"
	return $result
}
check "without the package the URL is one that nobody knows" half_gone

uninstalled()
{
	make_ uninstall-python DESTDIR="$SCRATCH/root" prefix=/opt/x PYTHON="$PYTHON" || return 1
	[ -z "$(files root)" ] && [ ! -e "$FOLDER/comlease" ] || { find root; return 1; }
	make_ uninstall-python DESTDIR="$SCRATCH/root" prefix=/opt/x PYTHON="$PYTHON"
}
check "uninstall leaves nothing, and may be said twice" uninstalled

by_hand()
{
	make_ install-python DESTDIR="$SCRATCH/root" pythondir=/some/where PYTHON="$PYTHON" || return 1
	[ -f root/some/where/comlease/serial.py ] || { files root; return 1; }
	make_ uninstall-python DESTDIR="$SCRATCH/root" pythondir=/some/where PYTHON="$PYTHON" && [ -z "$(files root)" ]
}
check "pythondir= says where" by_hand

# Where Debian's own Python looks, for both prefixes.
debian()
{
	local prefix folder
	for prefix in /usr /usr/local; do
		folder=$("$PYTHON" "$TREE/client/python/site_folder.py" $prefix)
		[ "$folder" = "$prefix/lib/$VERSION/dist-packages" ] || { echo "$folder"; return 1; }
	done
}
if "$PYTHON" -c 'import site, sys; sys.exit("dist-packages" not in site.getsitepackages()[0])'; then
	check "Debian's Python looks in dist-packages" debian
else
	skip "Debian's Python looks in dist-packages" "this is not Debian's Python"
fi

no_python() { said=$(make_ install-python DESTDIR="$SCRATCH/root" PYTHON=/nowhere/python 2>&1) && [[ $said == */nowhere/python*"left out"* ]]; }
check "without a Python it is left out, with a word" no_python

# ---- a virtual environment: programs as they are ----

if "$PYTHON" -m venv --without-pip --system-site-packages venv 2>/dev/null && venv/bin/python -c 'import serial' 2>/dev/null; then
	check "a virtual environment gets it into its own folder" make_ install-python PYTHON="$SCRATCH/venv/bin/python"
	in_venv() { timeout 60 venv/bin/python -X dev -W error program.py >said 2>&1 && answers; }
	check "... and a program that knows nothing opens the URL" in_venv
	# Its keys come from a terminal, and its way out is ^].
	miniterm()
	{
		{ printf 'ATI\r'; wait_answer && printf '\x1d'; } | timeout 60 script -qefc \
			"venv/bin/python -m serial.tools.miniterm comlease://modem0 38400" /dev/null >said 2>&1
		grep -q spandsp said || { cat said; return 1; }
	}
	wait_answer()
	{
		local answer
		following answer said
		wait_line "$answer" spandsp
		done_reading "$answer"
	} >/dev/null
	: >said
	if command -v script >/dev/null; then
		check "... miniterm too" miniterm
	else
		skip "... miniterm too" "needs script (Debian: bsdutils)"
	fi
	gone() { make_ uninstall-python PYTHON="$SCRATCH/venv/bin/python" && [ -z "$(find venv -name '*comlease*')" ]; }
	check "... and it can be taken out again" gone
else
	skip "a virtual environment" "needs python3-venv, and pyserial among the system's packages"
fi
finish
