"""A broker that answers with what stands in a file.

usage: canned.py SOCKET ANSWERS

ANSWERS is JSON: method -> the message to answer with, or an array of them (all but the last continue).
It is read anew for each call. Calls are appended to SOCKET.calls, a line each. Prints `ready`.
"""
import json, os, socketserver, sys

path, answers = sys.argv[1:]


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        data = b""
        try:
            while part := self.request.recv(65536):
                *calls, data = (data + part).split(b"\0")
                for call in calls:
                    self.answer(json.loads(call))
        except ConnectionError:
            pass  # it has gone, as it may

    def answer(self, call):
        with open(path + ".calls", "a") as log:
            print(json.dumps(call, sort_keys=True), file=log)
        with open(answers) as file:
            replies = json.load(file).get(call["method"], {"error": "org.varlink.service.MethodNotFound"})
        replies = replies if isinstance(replies, list) else [replies]
        for n, reply in enumerate(replies, 1):
            reply = reply | ({"continues": True} if n < len(replies) else {})
            self.request.sendall(json.dumps(reply).encode() + b"\0")


class Broker(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if os.path.exists(path):
    os.unlink(path)
with Broker(path, Connection) as broker:
    print("ready", flush=True)
    broker.serve_forever()
