// The switch between a real DPDK application and one of Node, and on a tap of this machine's kernel.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VioSwitch, parseConfig } from '@vio/switch';
import { type VirtioUserPort, openVirtioUser } from '@vio/virtio-user';
import { afterAll, describe, expect, it } from 'vitest';
import { Testpmd, netVirtioUser, withLog } from './testpmd.ts';

const directory = mkdtempSync(join(tmpdir(), 'vio-switch-'));
afterAll(() => rmSync(directory, { recursive: true }));
const socket = (name: string): string => join(directory, `${name}.sock`);

const testpmdMac = [0x02, 0, 0, 0, 0, 0x99];
const ownMac = [0x02, 0, 0, 0, 0, 0x01];
const frames = 2000;

/** Sends a frame until it is answered: a first one may come before the peer has buffers. */
async function exchange(
  port: VirtioUserPort,
  answers: AsyncGenerator<Uint8Array>,
  frame: Uint8Array,
): Promise<Uint8Array> {
  const again = setInterval(() => void port.send(frame).catch(() => {}), 1000);
  try {
    await port.send(frame);
    return ((await answers.next()).value as Uint8Array | undefined) ?? new Uint8Array();
  } finally {
    clearInterval(again);
  }
}

describe('a switch between testpmd and a port of Node', () => {
  it.each(['mrg_rxbuf=1,in_order=1', 'mrg_rxbuf=0,in_order=0', 'packed_vq=1'])(
    'brings every frame there and back, bit for bit (%s)',
    async (devargs) => {
      const ports = ['pmd', 'app'].map((name) => ({ name, bridge: 'br0', socket: socket(name) }));
      await using fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }], ports }));
      await using testpmd = await Testpmd.start({
        vdevs: [netVirtioUser(socket('pmd'), 1, `${devargs},mac=02:00:00:00:00:99`)],
        memory: 128,
        mbufs: 4096,
      });
      await testpmd.forward('macswap');
      await using port = await openVirtioUser({ path: socket('app') });
      const answers = port.packets();
      await withLog(testpmd, async () => {
        for (let i = 0; i < frames; i++) {
          const frame = Uint8Array.from(
            { length: 60 + ((i * 37) % 1400) },
            (_, k) => (k * 7 + i * 31) & 0xff,
          );
          frame.set([...testpmdMac, ...ownMac, 0x88, 0xb5]);
          const expected = Uint8Array.from(frame);
          expected.set([...ownMac, ...testpmdMac]);
          expect(Buffer.compare(await exchange(port, answers, frame), expected)).toBe(0);
        }
      });
      expect(Object.fromEntries(fabric.macs().map(({ mac, port: name }) => [name, mac]))).toEqual({
        app: '02:00:00:00:00:01',
        pmd: '02:00:00:00:00:99',
      });
    },
  );
});

describe('a switch with a tap', () => {
  it('hears the kernel, and the kernel hears it', async () => {
    const ports = [
      { name: 'app', bridge: 'br0', socket: socket('app') },
      { name: 'up', bridge: 'br0', tap: 'vio-sw%d' },
    ];
    await using fabric = await VioSwitch.start(parseConfig({ bridges: [{ name: 'br0' }], ports }));
    const name = String(fabric.port('up').link?.['interface']);
    await using port = await openVirtioUser({ path: socket('app') });
    execFileSync('ip', ['addr', 'add', '10.99.7.1/24', 'dev', name]);
    const received = (): number =>
      Number(execFileSync('cat', [`/sys/class/net/${name}/statistics/rx_packets`], { encoding: 'utf8' }));
    const before = received();
    await port.send(Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i === 6 ? 2 : i)));
    await expect.poll(received).toBeGreaterThan(before);
    // The kernel asks who has an address.
    const asked = port.packets();
    const datagrams = createSocket('udp4');
    datagrams.send('who is there', 9, '10.99.7.2');
    for await (const frame of asked) {
      if (frame[12] !== 0x08 || frame[13] !== 0x06) continue;
      expect(Array.from(frame.subarray(38, 42))).toEqual([10, 99, 7, 2]);
      break;
    }
    datagrams.close();
  });
});
