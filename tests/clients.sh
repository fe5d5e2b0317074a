# clients.sh - real programs for the modems of the soft telephone exchange (sourced by tests and the demo)
#
# Responsible for making what efax and uucico need (pages, configuration) and for judging what arrived. It
# starts nothing in the background and keeps nothing outside the folders that it is given. Every function
# returns 0 or prints what is wrong on stderr and returns 1. Needs Debian's efax, uucp, ghostscript and
# libtiff-tools; clients_missing says which of them are not there.
#
# The one tricky idea: uucico and its relatives run as copies. The installed ones are set-uid uucp, and such
# a program ignores LD_PRELOAD and cannot read a scratch configuration of the user who runs the test.

EFAX_MARGIN_ROWS=20 # efax puts that many rows above each page, and its header text into them

# clients_missing: prints the names of the programs that are not installed; empty if all are.
clients_missing()
{
	local program missing=""
	PATH=$PATH:/usr/sbin
	for program in efax efix gs tiffcp tiffinfo uucico uux uuxqt; do
		command -v "$program" >/dev/null || missing="$missing $program"
	done
	printf '%s' "${missing# }"
}

# make_fax_page FILE.tif [TEXT]: one A4 page for `efax -t`, 1728 pels wide (204x196 dpi, Group 3). The same
# TEXT always gives the same bytes. Through efix, because ghostscript writes no end-of-page mark (RTC) and
# efax then drops the last row.
make_fax_page()
{
	local file=$1 text=${2:-comlease} raw=$1.gs
	text=$(printf '%s' "$text" | sed 's/[\\()]/\\&/g')
	gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=tiffg3 -r204x196 -sPAPERSIZE=a4 -sOutputFile="$raw" -c "
		/Helvetica findfont 40 scalefont setfont 72 680 moveto ($text) show
		2 setlinewidth 72 420 400 220 rectstroke 72 420 moveto 400 220 rlineto stroke
		/Courier findfont 11 scalefont setfont
		0 1 11 { dup 14 mul 390 exch sub 72 exch moveto 7919 mul 16 string cvs 5 { dup show ( ) show } repeat
			pop } for showpage" >&2 &&
		efix -v e -n "$file" "$raw" >&2 && rm -f "$raw"
}

# fax_rows FILE.tif OUT: the decoded page as plain bits, 216 bytes a row, no header; prints the row count.
fax_rows()
{
	local plain=$2.plain rows
	tiffcp -c none -f msb2lsb -r 100000 "$1" "$plain" || return 1
	rows=$(tiffinfo "$plain" 2>/dev/null | sed -n 's/.*Image Length: //p')
	tiffinfo -s "$plain" 2>/dev/null | tr -d '[],' | awk '$1 == "0:" { print $2, $3 }' | {
		read -r offset size && tail -c "+$((offset + 1))" "$plain" | head -c "$size"
	} >"$2" || return 1
	rm -f "$plain"
	[ "$(stat -c %s "$2")" = $((rows * 216)) ] || { echo "$1: not 1728 pels wide" >&2; return 1; }
	echo "$rows"
}

# compare_fax_pages SENT RECEIVED: decodes both and compares row by row, below the margin of efax, which is
# white if the sender was run with `-h ' '`. Prints one line either way: `N rows, all alike`, or what differs.
compare_fax_pages()
{
	local dir sent received result=1
	dir=$(mktemp -d) || return 1
	if ! sent=$(fax_rows "$1" "$dir/sent") || ! received=$(fax_rows "$2" "$dir/received"); then
		echo "cannot be decoded"
	elif [ "$received" != $((sent + EFAX_MARGIN_ROWS)) ]; then
		echo "$sent rows sent, $((received - EFAX_MARGIN_ROWS)) rows received"
	elif [ -n "$(head -c $((EFAX_MARGIN_ROWS * 216)) "$dir/received" | tr -d '\0' | head -c 1 | od -An -tx1)" ]; then
		echo "the margin is not white: run efax with -h ' '"
	elif tail -c "+$((EFAX_MARGIN_ROWS * 216 + 1))" "$dir/received" | cmp -s "$dir/sent" -; then
		echo "$sent rows, all alike"
		result=0
	else
		tail -c "+$((EFAX_MARGIN_ROWS * 216 + 1))" "$dir/received" | cmp -l "$dir/sent" - |
			awk '{ row = int(($1 - 1) / 216); if (row != last || NR == 1) { n++; if (n == 1) first = row; last = row } }
				END { print n " rows differ, the first is row " first }'
	fi
	rm -rf "$dir"
	return $result
}

# as_uucp COMMAND...: runs it; as user uucp if we are root, since uucico as root changes to that user anyway,
# and a broker should see one user from beginning to end.
as_uucp()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=uucp --regid=uucp --init-groups "$@"
	else
		"$@"
	fi
}

# make_uucp_site DIR NAME PEER [DEVICE NUMBER]: a whole UUCP site called NAME in DIR (absolute), which calls
# PEER on DEVICE by dialling NUMBER, and lets PEER log in. Without DEVICE it can only answer. Works for any
# user; for root it all belongs to and runs as uucp, who must be able to reach DIR (chmod 711 what mktemp -d
# made) and, unless he gets it from a broker, to open DEVICE (softmodem -m 666). Mail that arrives is kept
# byte for byte in DIR/mail, one file a mail; the log is DIR/Log.
make_uucp_site()
{
	local dir=$1 name=$2 peer=$3 device=${4:-/dev/null} number=${5:-0} program
	mkdir -p "$dir/bin" "$dir/spool" "$dir/lock" "$dir/mail" "$dir/pub" || return 1
	for program in uucico uux uuxqt; do
		cp "$(readlink -f "$(PATH=$PATH:/usr/sbin command -v $program)")" "$dir/bin/$program" &&
			chmod 755 "$dir/bin/$program" || return 1
	done
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nPATH=/usr/bin:/bin\nexec cat >"$(mktemp "%s/mail/XXXXXX")"\n' "$dir" >"$dir/bin/rmail" &&
		chmod 755 "$dir/bin/rmail" || return 1
	cat >"$dir/config" <<-END
		nodename $name
		spool $dir/spool
		lockdir $dir/lock
		pubdir $dir/pub
		logfile $dir/Log
		statfile $dir/Stats
		debugfile $dir/Debug
		sysfile $dir/sys
		portfile $dir/port
		dialfile $dir/dial
		callfile $dir/call
		passwdfile $dir/passwd
		run-uuxqt never
	END
	cat >"$dir/sys" <<-END
		system $peer
		time any
		port line
		phone $number
		protocol g
		chat "" \\r\\c ogin:-\\r\\c-ogin: \\L ssword: \\P
		call-login *
		call-password *
		called-login $peer
		commands rmail
		command-path $dir/bin
	END
	printf 'port line\ntype modem\ndevice %s\nspeed 38400\ncarrier false\nhardflow false\ndialer softmodem\n' \
		"$device" >"$dir/port"
	cat >"$dir/dial" <<-END
		dialer softmodem
		chat "" ATZ\\r\\c OK ATE0\\r\\c OK ATDT\\T\\r\\c CONNECT
		chat-timeout 40
		chat-fail BUSY
		chat-fail NO\\sCARRIER
		chat-fail NO\\sANSWER
		complete ""
		abort ""
	END
	echo "$peer $name secret" >"$dir/call"
	echo "$peer secret" >"$dir/passwd"
	chmod 600 "$dir/call" "$dir/passwd"
	[ "$(id -u)" != 0 ] || chown -R uucp:uucp "$dir" || return 1
	as_uucp test -w "$dir/spool" || { echo "$dir: user uucp cannot get there: chmod 711" >&2; return 1; }
}

# uucp_queue_mail DIR PEER RECIPIENT <MAIL: spools a mail for PEER, without calling.
uucp_queue_mail()
{
	as_uucp "$1/bin/uux" -I "$1/config" -r - "$2!rmail" "($3)"
}

# uucp_call DIR PEER [WRAPPER...]: calls PEER and delivers what is spooled; the exit status is uucico's. A
# WRAPPER is put before the command: `uucp_call DIR beta comlease run --`.
uucp_call()
{
	local dir=$1 peer=$2
	shift 2
	as_uucp "$@" "$dir/bin/uucico" -I "$dir/config" -S "$peer" -D -q
}

# uucp_answerer DIR DEVICE: a getty for one call. Lets the modem answer, gives the caller a login prompt,
# takes what he has, then delivers the mail into DIR/mail. Returns uucico's exit status.
uucp_answerer()
{
	local dir=$1 device=$2 line="" status fd
	exec {fd}<>"$device" || return 1
	stty -F "$device" 38400 raw -echo && printf 'ATE0S0=1\r' >&"$fd"
	until [[ $line == CONNECT* ]]; do
		read -r -t 120 -u "$fd" line || { echo "$device: nobody called" >&2; exec {fd}>&-; return 1; }
	done
	as_uucp "$dir/bin/uucico" -I "$dir/config" -l -D -q <&"$fd" >&"$fd" 2>>"$dir/stderr"
	status=$?
	exec {fd}>&-
	as_uucp "$dir/bin/uuxqt" -I "$dir/config" || return 1
	return $status
}
