"""Answers A questions under vio.test with 10.0.0.2, AAAA ones with fd00::2, and anything else with NXDOMAIN."""

import socket
import struct

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    query, client = server.recvfrom(512)
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    (kind,) = struct.unpack("!H", question[-4:-2])
    answers = {1: socket.inet_aton("10.0.0.2"), 28: socket.inet_pton(socket.AF_INET6, "fd00::2")}
    known = question[:-4].endswith(b"\3vio\4test\0") and kind in answers
    header = query[:2] + struct.pack("!5H", 0x8180 if known else 0x8183, 1, 1 if known else 0, 0, 0)
    answer = b"" if not known else struct.pack("!3HLH", 0xC00C, kind, 1, 60, len(answers[kind])) + answers[kind]
    server.sendto(header + question + answer, client)
