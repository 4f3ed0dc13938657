// TCP between two guests through the switch of examples/: with checksums and segmentation left to others, and without.
import { median } from '../../support/median.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reportOf } from '../guest.ts';
import type { Step } from '../guest/vhost-user.ts';
import { withoutVectors } from '../qemu.ts';
import { startSwitch } from '../switch.ts';

/** Each guest has a card on each: both kinds take turns in the same guests. */
const kinds = [
  { name: 'with', options: [] },
  { name: 'without', options: ['--tx-csum', '0'] },
] as const;
type Kind = (typeof kinds)[number]['name'];

const port = 5001;
const macOf = (guest: number, kind: number): string => `52:54:00:00:3${guest}:0${kind}`;
const addressOf = (guest: number, kind: number): string => `10.3${kind}.0.${guest + 1}`;

/** What a guest says of one window: bytes that arrived, and seconds. */
interface Window {
  readonly kind: Kind;
  readonly bytes: number;
  readonly seconds: number;
}

/** Takes what comes until somebody says that it is over, which is a connection that sends nothing. */
const receiver = `
import socket
s = socket.create_server(("0.0.0.0", ${port}))
room = bytearray(1 << 20)
while True:
    c, _ = s.accept()
    n = total = c.recv_into(room)
    while n > 0:
        n = c.recv_into(room)
        total += n
    c.sendall(b"%d" % total)
    c.close()
    if total == 0: break
`;

/** @param windows by kind, in turns @returns a program that prints them as JSON */
const sender = (rounds: number, seconds: number): string => `
import json, socket, time
data = bytes(1 << 20)
def window(address, seconds):
    for attempt in range(100):
        try:
            c = socket.create_connection((address, ${port}), 5)
            break
        except OSError:
            time.sleep(0.5)
    begin = time.monotonic()
    while time.monotonic() < begin + seconds: c.sendall(data)
    c.shutdown(socket.SHUT_WR)
    c.settimeout(60)
    total = int(c.recv(100) or b"0")
    return total, time.monotonic() - begin
kinds = ${JSON.stringify(kinds.map(({ name }, kind) => [name, addressOf(0, kind)]))}
said = []
for address in kinds: window(address[1], 0.2)
for round in range(${rounds}):
    for name, address in (kinds if round % 2 == 0 else kinds[::-1]):
        total, seconds = window(address, ${seconds})
        said.append({"kind": name, "bytes": total, "seconds": seconds})
window(kinds[0][1], 0)
print(json.dumps(said))
`;

/** @param guest 0 receives, 1 sends */
function stepsOf(guest: number, program: string): Record<string, Step> {
  const up = kinds.map(
    (_, kind) => `card=$(basename $(dirname $(grep -l ${macOf(guest, kind)} /sys/class/net/*/address)))
      ip address add ${addressOf(guest, kind)}/24 dev $card; ip link set $card up`,
  );
  return { up: ['sh', up.join('\n')], run: ['sh', `exec python3 - <<"END"\n${program}\nEND\n`] };
}

/** @param seconds of a window */
export async function measureSwitch(rounds: number, seconds: number): Promise<Window[]> {
  const directory = mkdtempSync(join(tmpdir(), 'vio-bench-switch-'));
  const socket = (guest: number, kind: number): string => join(directory, `${guest}-${kind}.sock`);
  const switches = await Promise.all(
    kinds.map(({ options }, kind) => startSwitch([socket(0, kind), socket(1, kind)], options)),
  );
  const boot = (guest: number, program: string) =>
    reportOf<{ run: string }>('vhost-user', {
      modules: ['net'],
      arguments: [JSON.stringify(stepsOf(guest, program))],
      timeout: 300_000,
      qemu: [
        ['-object', 'memory-backend-memfd,id=memory,size=512M,share=on', '-machine', 'memory-backend=memory'],
        ...kinds.map((_, kind) =>
          [
            ['-chardev', `socket,id=wire${kind},path=${socket(guest, kind)},reconnect=1`],
            ['-netdev', `vhost-user,id=net${kind},chardev=wire${kind}`],
            ['-device', `virtio-net-pci,netdev=net${kind},mac=${macOf(guest, kind)},${withoutVectors}`],
          ].flat(),
        ),
      ].flat(),
    });
  try {
    const [, { run }] = await Promise.all([boot(0, receiver), boot(1, sender(rounds, seconds))]);
    return JSON.parse(run) as Window[];
  } finally {
    await Promise.all(switches.map((each) => each.stop()));
    rmSync(directory, { recursive: true });
  }
}

/** What the windows say, as text. */
export function switchReport(windows: readonly Window[]): string {
  const rates = (kind: Kind): number[] =>
    windows.filter((window) => window.kind === kind).map(({ bytes, seconds }) => bytes / seconds / 1e6);
  const [large, small] = [rates('with'), rates('without')];
  const ratios = large.map((rate, round) => rate / small[round]).toSorted((a, b) => a - b);
  const rate = (speeds: readonly number[]): string => median(speeds).toFixed(0);
  const [least, most] = [ratios[0], ratios.at(-1) ?? 0];
  return `**${median(ratios).toFixed(2)}** times (${least.toFixed(2)} to ${most.toFixed(2)}): ${rate(large)} MB/s with checksums and segmentation left to others, ${rate(small)} MB/s without. Medians of ${ratios.length} rounds.`;
}
