# embed.awk - turns an ASCII text file into a C file that defines it as a string constant.
#
#   awk -f client/embed.awk [-v name=comlease_varlink] FILE > FILE.c
#
# One literal a line, which the compiler joins. What is not printable becomes an octal escape (always
# of three digits, so that a digit that follows can't become part of it), and so does `?`, which could
# begin a trigraph. Anything beyond ASCII is refused, for awks differ in what a character is.
BEGIN {
	if (name == "")
		name = "comlease_varlink"
	for (i = 1; i < 128; i++)
		escaped[sprintf("%c", i)] = i < 32 || i > 126 ? sprintf("\\%03o", i) : sprintf("%c", i)
	escaped["\\"] = "\\\\"
	escaped["\""] = "\\\""
	escaped["?"] = "\\077"
	# ISO C promises no more than 4095 bytes; every compiler that we know takes more.
	print "#pragma GCC diagnostic ignored \"-Woverlength-strings\""
	printf "extern const char %s[];\nconst char %s[] =\n", name, name
}

{
	line = ""
	for (i = 1; i <= length($0); i++) {
		c = substr($0, i, 1)
		if (!(c in escaped)) {
			printf "%s:%d: not ASCII\n", FILENAME, FNR > "/dev/stderr"
			failed = 1
			exit 1
		}
		line = line escaped[c]
	}
	printf "    \"%s\\n\"\n", line
}

END {
	if (failed)
		exit 1
	print "    \"\";"
}
