"""A GSM phone on a pty, as far as programs for short messages ask it: AT commands, messages in PDU mode.

usage: at_phone.py LINK LOG

LOG gets a line for each command (`at AT+CSQ`), for each message that is sent (`sent 5551234 Hello there`) and for
each that is deleted (`deleted 1`). SIGUSR1 brings a message from 5550100, `message 1`, `message 2`... Prints `ready`.
"""
import signal, sys

sys.dont_write_bytecode = True
from pty_device import Device

device, log = Device(sys.argv[1]), open(sys.argv[2], "w", buffering=1)

ANSWERS = {
    "ATI": "Example phone 1.0",
    "+CGMI": "Example",
    "+GMI": "Example",
    "+CGMM": "Phone",
    "+GMM": "Phone",
    "+CGMR": "1.0",
    "+GMR": "1.0",
    "+CGSN": "490154203237518",
    "+GSN": "490154203237518",
    "+CIMI": "001010123456789",
    "+CPIN?": "+CPIN: READY",
    "+CREG?": "+CREG: 0,1",
    "+CGREG?": "+CGREG: 0,1",
    "+CSQ": "+CSQ: 20,99",
    "+CBC": "+CBC: 0,80",
    "+COPS?": '+COPS: 0,2,"00101"',
    "+CSCA?": '+CSCA: "+15550000",145',
    "+CSCS=?": '+CSCS: ("GSM","UCS2")',
    "+CSCS?": '+CSCS: "GSM"',
    "+CMGF=?": "+CMGF: (0)",
    "+CMGF?": "+CMGF: 0",
    "+CSMS?": "+CSMS: 0,1,1,1",
    "+CSMS=?": "+CSMS: (0)",
    "+CPMS=?": '+CPMS: ("ME"),("ME"),("ME")',
    "+CNMI=?": "+CNMI: (0),(0),(0),(0),(0)",
}
SILENT = ("ATE", "ATZ", "ATH", "AT&", "+CMEE", "+CSCS=", "+CMGF=", "+CSMS=", "+CNMI=", "+CREG=", "+COPS=", "+CMMS=", "+CFUN=")


def semi_octets(digits):
    digits += "F" * (len(digits) % 2)
    return "".join(digits[i + 1] + digits[i] for i in range(0, len(digits), 2))


def address(pdu, at):
    """Number and end of an address field: its length in digits, type, semi-octets."""
    digits, end = int(pdu[at : at + 2], 16), at + 4
    end += digits + digits % 2
    return semi_octets(pdu[at + 4 : end])[:digits], end


def pack(text):
    bits = sum(ord(c) << 7 * i for i, c in enumerate(text))
    return bits.to_bytes((7 * len(text) + 7) // 8, "little").hex().upper()


def unpack(hexadecimal, count):
    bits = int.from_bytes(bytes.fromhex(hexadecimal), "little")
    return "".join(chr(bits >> 7 * i & 127) for i in range(count))


def deliver(text):
    """An SMS-DELIVER from 5550100, with no service centre: letters and digits are the same in GSM and ASCII."""
    return "00" + "04" + "0781" + semi_octets("5550100") + "0000" + semi_octets("261121120000") + "00" + f"{len(text):02X}" + pack(text)


def submitted(pdu):
    """Number and text of an SMS-SUBMIT in 7-bit letters."""
    at = 2 + 2 * int(pdu[:2], 16)  # after the service centre
    first = int(pdu[at : at + 2], 16)
    number, at = address(pdu, at + 4)
    at += 4 + {0: 0, 0x10: 2}.get(first & 0x18, 14)  # after protocol, coding, validity
    return number, unpack(pdu[at + 2 :], int(pdu[at : at + 2], 16))


class Phone:
    def __init__(self):
        self.echo, self.prompt, self.typed = True, False, b""
        self.messages, self.arrived, self.sent = {}, 0, 0

    def arrive(self, *_):
        self.arrived += 1
        self.messages[self.arrived] = deliver(f"message {self.arrived}")

    def say(self, *lines):
        for line in lines:
            device.write(b"\r\n" + line.encode() + b"\r\n")

    def hear(self, data):
        for byte in data:
            byte = bytes([byte])
            if self.echo and not self.prompt:
                device.write(byte)
            if self.prompt and byte in b"\x1a\x1b":
                self.send(byte == b"\x1a")
            elif not self.prompt and byte == b"\r":
                self.obey()
            elif byte not in b"\r\n\x1b\x1a":
                self.typed += byte

    def send(self, really):
        self.prompt, pdu, self.typed = False, self.typed.decode("ascii", "replace"), b""
        if not really:
            return self.say("OK")
        self.sent += 1
        print("sent", *submitted(pdu), file=log)
        self.say(f"+CMGS: {self.sent}", "OK")

    def obey(self):
        command, self.typed = self.typed.decode("ascii", "replace").strip().upper(), b""
        if not command.startswith("AT"):
            return
        print("at", command, file=log)
        if command.startswith("ATE"):
            self.echo = command == "ATE1"
        self.answer(command if command in ANSWERS or command.startswith(SILENT) else command[2:])

    def answer(self, what):
        number = int(what[6:].split(",")[0]) if what[5:6] == "=" and what[6:].split(",")[0].isdigit() else 0
        if what.startswith("+CMGS=") and number:
            self.prompt = True
            device.write(b"\r\n> ")
        elif what.startswith("+CPMS"):
            used = f"{len(self.messages)},20"
            self.say(ANSWERS.get(what) or "+CPMS: " + ",".join(('"ME",' if what.endswith("?") else "") + used for _ in range(3)), "OK")
        elif what.startswith("+CMGL"):
            for index, pdu in self.messages.items():
                self.say(f"+CMGL: {index},1,,{len(pdu) // 2 - 1}", pdu)
            self.say("OK")
        elif what.startswith("+CMGR=") and number in self.messages:
            self.say(f"+CMGR: 1,,{len(self.messages[number]) // 2 - 1}", self.messages[number], "OK")
        elif what.startswith("+CMGD=") and self.messages.pop(number, None):
            print("deleted", number, file=log)
            self.say("OK")
        elif what in ANSWERS:
            self.say(ANSWERS[what], "OK")
        elif not what or what.startswith(SILENT):
            self.say("OK")
        else:
            self.say("ERROR")


phone = Phone()
signal.signal(signal.SIGUSR1, phone.arrive)
print("ready", flush=True)
while True:
    phone.hear(device.wait())
    if not device.is_open:
        phone.prompt, phone.typed = False, b""  # hung up in the middle of a line
