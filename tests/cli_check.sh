# cli_check.sh - running `comlease` and judging what it said (sourced by the tests of the command line, after
# lib.sh)
#
# Each function is one assertion, and explains itself when it fails.

# cli ARGUMENT...: runs comlease; OUT, ERR, RC. A test of ours that waits for ever fails instead.
cli()
{
	OUT=$(timeout 30 comlease "$@" 2>"$SCRATCH/err")
	RC=$?
	ERR=$(cat "$SCRATCH/err")
}

explain() { printf '%s\nstatus %s\nstdout: %s\nstderr: %s\n' "$1" "$RC" "$OUT" "$ERR"; return 1; }
rc() { [ "$RC" = "$1" ] || explain "expected status $1"; }
out() { [[ $OUT =~ $1 ]] || explain "stdout does not match: $1"; }
err() { [[ $ERR =~ $1 ]] || explain "stderr does not match: $1"; }
quiet() { [ -z "$ERR" ] || explain "stderr is not empty"; }

# fails STATUS PATTERN ARGUMENT...: that exit status, that on stderr, nothing on stdout
fails()
{
	local status=$1 pattern=$2
	shift 2
	cli "$@"
	rc "$status" && err "$pattern" && { [ -z "$OUT" ] || explain "stdout is not empty"; }
}
# prints PATTERN ARGUMENT...: status 0, that on stdout, nothing on stderr
prints()
{
	local pattern=$1
	shift
	cli "$@"
	rc 0 && out "$pattern" && quiet
}

# says FILE PATTERN: a line there, soon; it is another process that says it
says()
{
	local lines result
	following lines "$1"
	wait_line "$lines" "$2"
	result=$?
	done_reading "$lines"
	return $result
}

# completes EXPECTED WORD...: what comlease.bash offers for the last word
completes()
{
	local expected=$1
	shift
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_comlease
	[ "${COMPREPLY[*]}" = "$expected" ] || { echo "got: ${COMPREPLY[*]}"; return 1; }
}
