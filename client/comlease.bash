# comlease.bash - completion for bash: commands, options, port names.
#
# Port names come from the broker that the line names (-s) or that comlease finds by itself; without
# one there are none, and nothing is said.

# The ports' names, one a line. In compact JSON a quote within a string is written \", so
# "name":"..." is only ever a port's name, and names need no quoting.
_comlease_ports() {
	"$1" ${2:+-s "$2"} status --json 2>/dev/null |
		grep -o '"name":"[^"]*"' | cut -d'"' -f4
}

_comlease() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local i word command='' socket='' words=0 ended=
	local commands='status run who revoke monitor' common='-s --socket -h --help'
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
		elif [[ $word =~ ^(-[wEpltr]|--(wait|late-status|priority|label|token|reason))$ ]]; then
			((++i))
		elif [[ $word == -* ]]; then
			:
		elif [[ -z $command ]]; then
			command=$word
		elif ((words++, 1)) && [[ $command == run && ${COMP_WORDS[i+1]} != -- ]] &&
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
	case $command:$cur in
	:-*) word="$common --version" ;;
	:*) word=$commands ;;
	status:-*) word="--json --watch $common" ;;
	monitor:-*) word="--json $common" ;;
	revoke:-*) word="--token --reason $common" ;;
	run:-*) word="--nonblock --wait --late-status --priority --label $common -n -w -E -p -l --" ;;
	who:/* | run:/*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	run:*)
		((words == 0)) && mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		((words == 1)) && word=-- || word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket")
		;;
	status:* | who:* | revoke:* | monitor:*)
		word=$(_comlease_ports "${COMP_WORDS[0]}" "$socket")
		;;
	*) return ;;
	esac
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$word" -- "$cur")
}

complete -F _comlease comlease
