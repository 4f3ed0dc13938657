// Datagrams that the kernel gives to its card as one packet (UDP_SEGMENT), from one network namespace to another. By Python: Node has no
// such socket option.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { uniquePayload } from '../udp-frames.ts';

const port = 7000;
const segmentSize = 1200;
/** Bytes: some full datagrams, and one that is not. */
const total = 20_000;

/** What has come, and what is wrong by the kernel's counters. */
export interface DatagramsReport {
  readonly lengths: readonly number[];
  /** Every byte as it went. */
  readonly same: boolean;
  /** Errors and wrong checksums of UDP. */
  readonly wrong: number;
}

const receiver = `
import hashlib, json, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.settimeout(20)
s.bind(("", ${port}))
print("ready", flush=True)
parts = []
try:
    while sum(map(len, parts)) < ${total}: parts.append(s.recv(65536))
except TimeoutError: pass
names, values = [line.split() for line in open("/proc/net/snmp") if line.startswith("Udp:")]
counts = dict(zip(names, values))
print(json.dumps({"lengths": [len(part) for part in parts], "hash": hashlib.sha256(b"".join(parts)).hexdigest(),
  "wrong": int(counts["InErrors"]) + int(counts["InCsumErrors"])}))
`;

const sender = (address: string): string => `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, ${segmentSize})
s.sendto(sys.stdin.buffer.read(), ("${address}", ${port}))
`;

/** @param from, to network namespaces @param address of the second */
export async function sendDatagrams(from: string, to: string, address: string): Promise<DatagramsReport> {
  const payload = uniquePayload(1, total);
  const receiving = python(to, receiver);
  let said = '';
  receiving.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(receiving, 'close');
  while (!said.includes('ready')) await once(receiving.stdout, 'data');
  const sending = python(from, sender(address));
  sending.stdin.end(payload);
  await ended;
  const { hash, ...report } = JSON.parse(said.slice(said.indexOf('{'))) as Omit<DatagramsReport, 'same'> & {
    readonly hash: string;
  };
  return { ...report, same: hash === createHash('sha256').update(payload).digest('hex') };
}

function python(space: string, program: string) {
  return spawn('ip', ['netns', 'exec', space, 'python3', '-c', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}
