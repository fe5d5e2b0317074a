# comlease.bash - completion for bash: commands, options, names of ports and pools, labels of waiters.
#
# Names come from the broker that the line names (-s) or that comlease finds by itself; without
# one there are none, and nothing is said.

# The names of ports (then, with a third word, of pools), one a line. In compact JSON a quote within a
# string is written \", so "name":"..." is only ever such a name, and names need no quoting.
_comlease_ports() {
	"$1" ${2:+-s "$2"} status --json 2>/dev/null | sed -E 's/"(ports|pools)":\[\{/\n&/g' |
		grep -E "^\"(ports|${3:-ports})\":\[\{" | grep -o '"name":"[^"]*"' | cut -d'"' -f4
}

# The ports with a bridge. Anybody can make such a name, and compgen expands $( ): only what may be a port's.
_comlease_bridges() {
	sed -nE 's|.* @comlease-bridge/([A-Za-z0-9._:@+-]+)/[0-9.a-f]+$|\1|p' /proc/net/unix 2>/dev/null
}

# The labels of those who wait for a port: who has it has one too, before "waiters".
_comlease_labels() {
	"$1" ${2:+-s "$2"} status --json "$3" 2>/dev/null | sed 's/"\(lease\|waiters\)":/\n&/g' |
		grep '^"waiters"' | grep -o '"label":"[^"]*"' | cut -d'"' -f4
}

_comlease() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local i word command='' port='' socket='' words=0 ended=
	local commands='status run bridge who revoke monitor spy evict disable enable handoff busy idle ports doctor'
	local common='-s --socket -h --help'
	COMPREPLY=()

	# which command, which socket, and whether the words of run's own are over
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $ended ]]; then
			break
		elif [[ $word == -s || $word == --socket ]]; then
			socket=${COMP_WORDS[++i]-}
		elif [[ $command == run && $word == -- ]]; then
			ended=$((i + 1))
		elif [[ $command != evict &&
			$word =~ ^(-[wEpltrcmg]|--(wait|when|frame|mode|group|spy|late-status|priority|label|pid|token|reason|class|to|yield-signal|yield-grace|max-hold))$ ]]; then
			((++i))
		elif [[ $word == -* ]]; then
			:
		elif [[ -z $command ]]; then
			command=$word
		elif ((words++, 1)) && port=${port:-$word} && [[ $command == run && ${COMP_WORDS[i+1]} != -- ]] &&
		    ((i + 1 < COMP_CWORD)); then
			ended=$i
		fi
	done
	socket=${socket/#\~/$HOME}

	# the command's own words are its own completion's business
	if [[ $ended ]] && declare -F _command_offset >/dev/null; then
		_command_offset "$ended"
		return
	fi
	case $prev in
	-s | --socket)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case $command:$prev in
	bridge:--when)
		mapfile -t COMPREPLY < <(compgen -W 'open write' -- "$cur")
		return
		;;
	bridge:--spy)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	bridge:-g | bridge:--group)
		mapfile -t COMPREPLY < <(compgen -g -- "$cur")
		return
		;;
	handoff:-t | handoff:--to)
		word=$(_comlease_labels "${COMP_WORDS[0]}" "$socket" "$port")
		mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
		return
		;;
	esac
	case $command:$cur in
	:-*) word="$common --version" ;;
	:*) word=$commands ;;
	status:-*) word="--json --watch $common" ;;
	monitor:-*) word="--json $common" ;;
	revoke:-*) word="--token --reason $common" ;;
	evict:-*) word="--term $common" ;;
	handoff:-*) word="--to $common" ;;
	ports:-*) word="--config --json $common" ;;
	doctor:-*) word="--quiet --json $common" ;;
	spy:-*) word="--hex --raw --pid $common" ;;
	disable:-* | enable:-* | busy:-* | idle:-*) word=$common ;;
	run:-*) word="--nonblock --wait --late-status --priority --label --class --standby --yield-signal \
			--yield-grace --max-hold --seccomp $common -n -w -E -p -l -c --" ;;
	who:/* | run:/* | spy:*/*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	run:*)
		((words == 0)) && mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		((words == 1)) && word=-- || word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket" pools)
		;;
	bridge:-*) word="--wait --class --priority --label --when --standby --yield-grace --max-hold --announce \
			--frame --mode --group --spy $common -w -c -p -l -m -g" ;;
	bridge:*)
		if ((words)); then
			compopt -o filenames 2>/dev/null
			((words > 1)) || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
		word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket" pools)
		;;
	status:*)
		word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket" pools)
		;;
	disable:* | enable:* | evict:* | handoff:* | busy:* | idle:*)
		((words == 0)) || return
		word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket")
		;;
	who:* | revoke:* | monitor:*)
		word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket")
		;;
	spy:*)
		((words == 0)) || return
		word=$(_comlease_bridges)
		;;
	*) return ;;
	esac
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$word" -- "$cur")
}

complete -F _comlease comlease
