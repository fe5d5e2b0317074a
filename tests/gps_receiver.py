"""A GPS receiver on a pty: a position each tenth of a second to whoever has it open.

usage: gps_receiver.py LINK

Prints `ready`. What is sent to it (a program tries to find out what it is) is not answered.
"""
import sys, time

sys.dont_write_bytecode = True
from pty_device import Device


def sentence(text):
    check = 0
    for c in text.encode():
        check ^= c
    return f"${text}*{check:02X}\r\n".encode()


device = Device(sys.argv[1])
print("ready", flush=True)
while True:
    device.wait(0.1 if device.is_open else None)
    if device.is_open:
        now = time.strftime("%H%M%S.00,%d%m%y", time.gmtime()).split(",")
        device.write(sentence(f"GPRMC,{now[0]},A,5230.00,N,01324.00,E,0.0,0.0,{now[1]},,"))
        device.write(sentence(f"GPGGA,{now[0]},5230.00,N,01324.00,E,1,08,1.0,34.0,M,40.0,M,,"))
