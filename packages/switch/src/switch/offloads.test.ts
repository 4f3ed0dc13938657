// Packets whose checksum and segmentation their sender leaves to others, on their way through the switch.
import { HDR_F_NEEDS_CSUM, HDR_GSO_NONE, HDR_GSO_TCPV4 } from '@vio/net';
import { writeFrames } from '@vio/net/testing';
import { isComplete, tcpSegment, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { type Host, type Network, type StartNetwork, onThreads, untagged } from '../test-support/network.ts';

const able = { offloads: { rxChecksum: true, lro: true, txChecksum: true, tso: true } };

/** A network whose named hosts take and leave offloads; the others do not. */
async function networkOf(
  start: StartNetwork,
  ports: Readonly<Record<string, object>>,
  ...names: readonly string[]
): Promise<Network> {
  const network = await start(ports);
  for (const name of names) {
    await network.disconnect(name);
    await network.connect(name, able);
  }
  return network;
}

/** Sends one TCP packet to everybody. @param size payload bytes of a segment; 0: it is not to be cut, its checksum is left */
function sendTcp(host: Host, payload: number, size: number): void {
  const { port } = host;
  const frame = tcpSegment(payload);
  frame.fill(0xff, 0, 6);
  const burst = port.burst();
  writeFrames(port.pool, burst, [frame]);
  const { offloads } = burst;
  if (offloads === undefined) throw new TypeError('this host has no offloads');
  offloads.flags[0] = HDR_F_NEEDS_CSUM;
  offloads.gsoType[0] = size === 0 ? HDR_GSO_NONE : HDR_GSO_TCPV4;
  offloads.segmentSize[0] = size;
  expect(port.tx[0].prepare(burst)).toBe(1);
  expect(port.tx[0].send(burst)).toBe(1);
}

/** What a host has received when it is all there. @param bytes of payload behind 54 bytes of headers, and a tag */
async function heard(host: Host, bytes: number, tag = 0): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  const payload = (): number => frames.reduce((sum, { length }) => sum + length - 54 - tag, 0);
  await until(() => {
    frames.push(...host.received());
    return payload() >= bytes;
  });
  return frames;
}

onThreads((start) => {
  describe('a large packet', () => {
    it('stays one between hosts that take such, and comes in segments to others', async () => {
      await using network = await networkOf(start, { a: {}, b: {}, c: {} }, 'a', 'b');
      sendTcp(network.host('a'), 30_000, 1400);
      const [whole, cut] = [await heard(network.host('b'), 30_000), await heard(network.host('c'), 30_000)];
      expect(whole.map(({ length }) => length)).toEqual([30_054]);
      expect([cut.length, cut.every(isComplete)]).toEqual([22, true]);
    });

    it('gets a tag on a trunk, and is cut behind it', async () => {
      const trunk = { vlan: { trunk: [5] } };
      await using network = await networkOf(
        start,
        { a: { vlan: { access: 5 } }, b: trunk, c: trunk },
        'a',
        'b',
      );
      sendTcp(network.host('a'), 30_000, 1400);
      const [whole, cut] = [
        await heard(network.host('b'), 30_000, 4),
        await heard(network.host('c'), 30_000, 4),
      ];
      expect(whole.map(({ length }) => length)).toEqual([30_058]);
      expect([cut.length, cut.map(untagged).every(isComplete)]).toEqual([22, true]);
    });

    it('loses its tag where it goes without, as does a checksum that is left', async () => {
      await using network = await networkOf(
        start,
        { a: { vlan: { access: 5 } }, b: {}, c: { vlan: { access: 5 } } },
        'a',
      );
      sendTcp(network.host('a'), 1000, 0);
      const [tagged] = await heard(network.host('b'), 1000, 4);
      const [plain] = await heard(network.host('c'), 1000);
      expect([isComplete(untagged(tagged)), isComplete(plain)]).toEqual([true, true]);
    });

    it.each([
      [1400, 'passes', 22],
      [1500, 'does not', 0],
    ])('whose segments have %d bytes of payload %s an MTU of 1500', async (size, _, frames) => {
      await using network = await networkOf(start, { a: {}, b: { mtu: 1500 } }, 'a');
      sendTcp(network.host('a'), 30_000, size);
      // The port it is dropped at may be another thread's, and later than the one it came from.
      const cut = frames === 0 ? [] : await heard(network.host('b'), 30_000);
      const dropped = frames === 0 ? 1 : 0;
      await until(() => network.counter('b', 'dropped_oversize_frames') >= dropped);
      expect([network.counter('b', 'dropped_oversize_frames'), cut.length]).toEqual([dropped, frames]);
    });

    it('crosses an uplink whole, to whoever is behind it', async () => {
      await using core = await networkOf(start, { b: {}, c: {}, down: {} }, 'b');
      await core.disconnect('down');
      await using edge = await networkOf(
        start,
        { a: {}, up: { uplink: `path=${core.socket('down')}` } },
        'a',
      );
      await until(() => core.fabric.port('down').connected && edge.fabric.port('up').connected);
      sendTcp(edge.host('a'), 30_000, 1400);
      const [whole, cut] = [await heard(core.host('b'), 30_000), await heard(core.host('c'), 30_000)];
      expect(whole.map(({ length }) => length)).toEqual([30_054]);
      expect([cut.length, cut.every(isComplete)]).toEqual([22, true]);
    });
  });
});
