#!/usr/bin/python3
"""Acquires a port of comlease over the plain socket and talks to the modem on it.

usage: python_client.py PORT [COMMAND]    (COMMAND: what the modem is told, ATI by default)

All that a client needs, with nothing but the standard library: io.comlease.varlink is the manual.
"""
import json, os, select, socket, sys

port = sys.argv[1]
command = sys.argv[2] if len(sys.argv) > 2 else "ATI"

# A message is one JSON object and a NUL byte.
broker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
broker.connect(os.environ.get("COMLEASE_SOCKET", "/run/comlease/comlease.sock"))
call = {"method": "io.comlease.Acquire", "parameters": {"port": port}}
broker.sendall(json.dumps(call).encode() + b"\0")

# The one reply comes when it is our turn; the descriptor comes with its first byte.
reply, fds = b"", []
while not reply.endswith(b"\0"):
    part, more_fds, _, _ = socket.recv_fds(broker, 65536, 1)
    if not part:
        sys.exit("the broker has closed the connection")
    reply, fds = reply + part, fds + more_fds
reply = json.loads(reply[:-1])
if "error" in reply:
    sys.exit(reply["error"] + ": " + str(reply["parameters"].get("message", reply["parameters"])))
modem = fds[reply["parameters"]["fd"]]
broker.close()  # not needed any more: the lease lives as long as the descriptor

# It is in raw mode and does not block.
os.write(modem, command.encode() + b"\r")
answer = b""
while b"OK" not in answer and b"ERROR" not in answer:
    if not select.select([modem], [], [], 10)[0]:
        sys.exit("the modem does not answer")
    answer += os.read(modem, 1024)
os.close(modem)  # the lease ends, the line is cleaned, the next one gets it
print(reply["parameters"]["lease"]["token"], *answer.decode().split())
