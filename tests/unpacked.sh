# unpacked.sh - finds the programs that tests/unpack has put into $CLIENTS without installing them (sourced by
# clients_*.sh after lib.sh and a HERE)
#
# They come last in PATH: what is installed is preferred. Their libraries are in folders that no configuration
# knows.

CLIENTS=${CLIENTS:-$HERE/../build/clients/root}
PATH=$PATH:$CLIENTS/usr/bin:$CLIENTS/usr/sbin:$CLIENTS/bin
for folder in "$CLIENTS"/usr/lib/*-linux-gnu* "$CLIENTS/usr/lib"; do
	[ ! -d "$folder" ] || LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH-}

# Is the shim sanitized? Then it can't be called before its run-time library has come, and the constructors of
# libraries call it: libgnutls's in gammu, libcap-ng's in screen.
is_sanitized() { grep -q __asan_init "$BUILD/libcomlease-shim.so"; }
