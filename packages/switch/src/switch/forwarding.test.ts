// What a switch does with frames, seen from the hosts on its ports.
import { openPort } from '@vio/net';
import { rarpFrame } from '@vio/net/internal';
import { broadcast, frame, macOf, multicast, until } from '@vio/test-support';
import { FrontendDevice, VhostUserFrontend } from '@vio/vhost';
import { describe, expect, it } from 'vitest';
import { onThreads, tagged, untagged } from '../test-support/network.ts';

const three = { a: {}, b: {}, c: {} };

onThreads((start) => {
  describe('a bridge', () => {
    it('floods a frame to an address nobody has been heard from', async () => {
      await using network = await start(three);
      expect(await network.whoHears('a', frame(macOf(9), macOf(1)))).toEqual(['b', 'c']);
    });

    it.each([
      ['broadcast', broadcast],
      ['multicast', multicast],
    ])('floods a %s, bit for bit', async (_, to) => {
      await using network = await start(three);
      const sent = frame(to, macOf(1));
      expect(await network.send('a', sent)).toEqual({ b: [sent], c: [sent] });
    });

    it('sends a frame to a learned address to its port only', async () => {
      await using network = await start(three);
      await network.send('c', frame(broadcast, macOf(3)));
      expect(await network.whoHears('a', frame(macOf(3), macOf(1)))).toEqual(['c']);
    });

    it('keeps a frame to itself when its destination is on the port it came from', async () => {
      await using network = await start(three);
      await network.send('a', frame(broadcast, macOf(7)));
      expect(await network.whoHears('a', frame(macOf(7), macOf(1)))).toEqual([]);
    });

    it('follows an address that moves to another port', async () => {
      await using network = await start(three);
      await network.send('b', frame(broadcast, macOf(7)));
      await network.send('c', frame(broadcast, macOf(7)));
      expect(await network.whoHears('a', frame(macOf(7), macOf(1)))).toEqual(['c']);
    });

    it('follows a guest whose new frontend says that it is there (SEND_RARP), and passes that on', async () => {
      await using network = await start(three);
      await network.send('b', frame(broadcast, macOf(7)));
      await network.disconnect('c');
      const frontend = await VhostUserFrontend.connect(network.socket('c'));
      await using _ = await openPort(new FrontendDevice(frontend));
      await until(() => network.fabric.port('c').connected);
      await frontend.sendRarp(Uint8Array.from(macOf(7)));
      const heard: Uint8Array[] = [];
      await until(() => heard.push(...network.host('a').received()) > 0);
      expect(heard).toEqual([rarpFrame('02:00:00:00:00:07')]);
      expect(network.fabric.macs()).toEqual([
        expect.objectContaining({ mac: '02:00:00:00:00:07', port: 'c' }),
      ]);
    });

    it('learns nothing from a source that is a group', async () => {
      await using network = await start(three);
      await network.send('b', frame(broadcast, multicast));
      expect(network.fabric.macs()).toEqual([]);
    });

    it('forgets the addresses of a host that leaves', async () => {
      await using network = await start(three);
      await network.send('b', frame(broadcast, macOf(7)));
      await network.disconnect('b');
      expect([network.fabric.macs(), await network.whoHears('a', frame(macOf(7), macOf(1)))]).toEqual([
        [],
        ['c'],
      ]);
    });

    it('takes a host that comes back', async () => {
      await using network = await start(three);
      await network.disconnect('b');
      await network.connect('b');
      expect(await network.whoHears('a', frame(broadcast, macOf(1)))).toEqual(['b', 'c']);
    });

    it('forgets an address that was not heard for its ageing time', async () => {
      await using network = await start(three, { bridges: [{ name: 'br', ageing: 0.1 }] });
      await network.send('b', frame(broadcast, macOf(7)));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await network.whoHears('a', frame(macOf(7), macOf(1)))).toEqual(['b', 'c']);
    });

    it('does not forward what is for the next bridge alone', async () => {
      await using network = await start(three);
      const heard = await network.whoHears('a', frame([0x01, 0x80, 0xc2, 0, 0, 0x0e], macOf(1)));
      expect([heard, network.counter('a', 'dropped_reserved_frames')]).toEqual([[], 1]);
    });

    it('keeps the order of a burst in which some frames are flooded and some are not', async () => {
      await using network = await start(three);
      await network.send('b', frame(broadcast, macOf(2)));
      const sent = Array.from({ length: 24 }, (_, i) => frame(i % 3 === 0 ? broadcast : macOf(2), macOf(1)));
      expect((await network.send('a', ...sent))['b']).toEqual(sent);
    });

    it('forwards frames of many buffers', async () => {
      await using network = await start(three);
      const sent = frame(broadcast, macOf(1), { bytes: 9014 });
      expect(await network.send('a', sent)).toEqual({ b: [sent], c: [sent] });
    });

    it('has nothing to do with another bridge', async () => {
      const bridges = [{ name: 'br' }, { name: 'other' }];
      await using network = await start({ a: {}, b: {}, c: { bridge: 'other' } }, { bridges });
      expect(await network.whoHears('a', frame(broadcast, macOf(1)))).toEqual(['b']);
    });

    it('drops frames that are no frames, and counts them', async () => {
      await using network = await start(three);
      const heard = await network.whoHears('a', new Uint8Array(13));
      expect([heard, network.counter('a', 'dropped_runt_frames')]).toEqual([[], 1]);
    });
  });

  describe('VLANs', () => {
    const ports = {
      red: { vlan: { access: 10 } },
      red2: { vlan: { access: 10 } },
      blue: { vlan: { access: 20 } },
      trunk: { vlan: { trunk: [10, 20] } },
      hybrid: { vlan: { trunk: [20], native: 10 } },
    };

    it('keep access ports apart, and tag what leaves by a trunk', async () => {
      await using network = await start(ports);
      const sent = frame(broadcast, macOf(1));
      expect(await network.send('red', sent)).toEqual({
        red2: [sent],
        trunk: [tagged(sent, 10)],
        hybrid: [sent],
      });
    });

    it('take the tag off what goes to access ports', async () => {
      await using network = await start(ports);
      const sent = frame(broadcast, macOf(1), { vlan: 20 });
      expect(await network.send('trunk', sent)).toEqual({ blue: [untagged(sent)], hybrid: [sent] });
    });

    it('keep the priority of a tag between trunks', async () => {
      await using network = await start({ ...ports, trunk2: { vlan: { trunk: 'all' } } });
      const sent = frame(broadcast, macOf(1), { vlan: 0xa000 | 10 });
      const heard = await network.send('trunk', sent);
      expect([heard['trunk2'], heard['red']]).toEqual([[sent], [untagged(sent)]]);
    });

    it('are learned apart: one address may be in two', async () => {
      await using network = await start(ports);
      await network.send('red', frame(broadcast, macOf(7)));
      await network.send('blue', frame(broadcast, macOf(7)));
      const heard = [
        await network.whoHears('trunk', frame(macOf(7), macOf(1), { vlan: 10 })),
        await network.whoHears('trunk', frame(macOf(7), macOf(1), { vlan: 20 })),
      ];
      expect(heard).toEqual([['red'], ['blue']]);
    });

    it('tag a unicast for a trunk, with many buffers as well', async () => {
      await using network = await start(ports);
      await network.send('trunk', frame(broadcast, macOf(9), { vlan: 10 }));
      const sent = frame(macOf(9), macOf(1), { bytes: 5000 });
      expect(await network.send('red', sent)).toEqual({ trunk: [tagged(sent, 10)] });
    });

    it.each([
      ['a tag on an access port', 'red', frame(broadcast, macOf(1), { vlan: 10 })],
      ['a VLAN the trunk does not have', 'trunk', frame(broadcast, macOf(1), { vlan: 30 })],
      ['no tag on a trunk without a native VLAN', 'trunk', frame(broadcast, macOf(1))],
      ['the reserved VLAN', 'trunk', frame(broadcast, macOf(1), { vlan: 4095 })],
    ])('drop and count %s', async (_, port, sent) => {
      await using network = await start(ports);
      expect([await network.whoHears(port, sent), network.counter(port, 'dropped_vlan_frames')]).toEqual([
        [],
        1,
      ]);
    });

    it('take a tag of VLAN 0 for none', async () => {
      await using network = await start(ports);
      const sent = frame(broadcast, macOf(1), { vlan: 0xe000 });
      expect((await network.send('hybrid', sent))['red']).toEqual([untagged(sent)]);
    });

    it('pass untouched between ports that say nothing of them', async () => {
      await using network = await start(three);
      const sent = frame(broadcast, macOf(1), { vlan: 77 });
      expect(await network.send('a', sent)).toEqual({ b: [sent], c: [sent] });
    });
  });

  describe('a mirror', () => {
    const bridge = (mirror: object) => ({ bridges: [{ name: 'br', mirror: { to: 'ids', ...mirror } }] });

    it('sees what comes in and what goes out, as it is there', async () => {
      const ports = { a: { vlan: { access: 5 } }, b: { vlan: { trunk: [5] } }, ids: {} };
      await using network = await start(ports, bridge({}));
      const sent = frame(broadcast, macOf(1));
      expect(await network.send('a', sent)).toEqual({ b: [tagged(sent, 5)], ids: [sent, tagged(sent, 5)] });
    });

    it.each([
      ['in', 'a', 1],
      ['in', 'b', 0],
      ['out', 'a', 0],
      ['out', 'b', 1],
    ] as const)('of direction %s sees of frames from %s: %d', async (direction, from, copies) => {
      await using network = await start({ a: {}, b: {}, ids: {} }, bridge({ direction, from: ['a'] }));
      const heard = await network.send(from, frame(broadcast, macOf(1)));
      expect(heard['ids'] ?? []).toHaveLength(copies);
    });

    it('takes part in nothing else', async () => {
      await using network = await start({ a: {}, b: {}, ids: {} }, bridge({ from: [] }));
      const heard = [
        await network.whoHears('a', frame(broadcast, macOf(1))),
        await network.whoHears('ids', frame(broadcast, macOf(9))),
      ];
      expect([heard, network.fabric.macs().map(({ port }) => port)]).toEqual([[['b'], []], ['a']]);
    });
  });

  describe('limits', () => {
    it('tell the host its MTU', async () => {
      await using network = await start({ a: { mtu: 1500 }, b: {} });
      expect(network.host('a').port.rules.mtu).toBe(1500);
    });

    it('drop frames over the MTU of where they go', async () => {
      await using network = await start({ a: {}, b: { mtu: 1000 }, c: {} });
      const heard = await network.whoHears('a', frame(broadcast, macOf(1), { bytes: 1400 }));
      expect(heard).toEqual(['c']);
      await until(() => network.counter('b', 'dropped_oversize_frames') === 1);
    });

    it('keep a storm from the others, and let what is addressed to somebody pass', async () => {
      await using network = await start({ a: { stormLimit: 3 }, b: {} });
      await network.send('b', frame(broadcast, macOf(2)));
      const storm = Array.from({ length: 20 }, () => frame(broadcast, macOf(1)));
      const { b } = await network.send('a', ...storm, frame(macOf(2), macOf(1)));
      const dropped = network.counter('a', 'dropped_storm_frames');
      expect([b.length, dropped > 0]).toEqual([21 - dropped, true]);
      expect(b.at(-1)?.[5]).toBe(2);
    });
  });
});
