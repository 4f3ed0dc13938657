// Taps of this machine's kernel: no guest needed, but CAP_NET_ADMIN.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TUN_F_CSUM, Tap } from '@vio/vhost-kernel';
import { codeOfCall } from '@vio/test-support';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sh } from '../support/sh.ts';

const exists = (name: string): boolean => sh(`ip link show ${name} 2>/dev/null || true`) !== '';

const taps: Tap[] = [];
const open = (...options: Parameters<typeof Tap.open>): Tap => {
  const tap = Tap.open(...options);
  taps.push(tap);
  return tap;
};

afterEach(() => {
  for (const tap of taps.splice(0)) tap.close();
});

describe('Tap.open', () => {
  it('sets what it is asked for', () => {
    const tap = open({
      name: 'vio-a',
      mac: '02:00:00:00:00:09',
      mtu: 9000,
      up: true,
      queues: 2,
      virtioHeader: 12,
    });
    const { name, mac, mtu, up, multiQueue, virtioHeader } = tap;
    expect({ name, mac, mtu, up, multiQueue, virtioHeader, queues: tap.fds.length }).toEqual({
      name: 'vio-a',
      mac: '02:00:00:00:00:09',
      mtu: 9000,
      up: true,
      multiQueue: true,
      virtioHeader: true,
      queues: 2,
    });
    expect(sh('ip -d link show vio-a')).toMatch(
      /mtu 9000.*02:00:00:00:00:09.*vnet_hdr on multi_queue numqueues 2/s,
    );
  });

  it('finds a number for a name with %d', () => {
    expect(open({ name: 'vio%d' }).name).toMatch(/^vio\d+$/);
  });

  it('takes an interface with it when it closes, unless it is persistent', () => {
    open({ name: 'vio-b' }).close();
    open({ name: 'vio-c', persistent: true }).close();
    expect([exists('vio-b'), exists('vio-c')]).toEqual([false, true]);
    open({ name: 'vio-c', persistent: false }).close();
    expect(exists('vio-c')).toBe(false);
  });

  it('makes it in another network namespace, and comes back', () => {
    sh('ip netns add vio-ns');
    try {
      const tap = open({ name: 'vio-d', netns: '/run/netns/vio-ns', up: true });
      expect(sh('ip netns exec vio-ns ip link show vio-d')).toContain('UP');
      expect(exists('vio-d')).toBe(false);
      expect(tap.mtu).toBe(1500);
    } finally {
      sh('ip netns del vio-ns');
    }
  });

  it('takes over descriptors that somebody else has opened', () => {
    const first = open({ name: 'vio-e', virtioHeader: 10 });
    const tap = Tap.adopt(first.fds);
    expect([tap.name, tap.virtioHeader, tap.multiQueue]).toEqual(['vio-e', true, false]);
  });

  it.each([
    ['a name too long', { name: 'a-name-of-sixteen' }, 'VIO_TAP_NAME'],
    ['a name with a slash', { name: 'a/b' }, 'VIO_TAP_NAME'],
    ['no queues', { queues: 0 }, 'VIO_TAP_QUEUES'],
    ['more queues than a tap has', { queues: 257 }, 'VIO_TAP_QUEUES'],
    ['an interface of another kind', { name: 'lo' }, 'VIO_TAP_MISMATCH'],
    ['a namespace that is not there', { netns: '/run/netns/nowhere' }, 'VIO_NETNS_MISSING'],
    ['a path that is no namespace', { netns: '/etc/passwd' }, 'VIO_NETNS_MISSING'],
    ['a MAC address that is none', { mac: '02:00' }, 'VIO_INTERFACE_MAC'],
    ['a multicast MAC address', { mac: '01:00:00:00:00:01' }, 'VIO_INTERFACE_MAC'],
    ['an MTU too large', { mtu: 70_000 }, 'VIO_INTERFACE_MTU'],
    ['offloads that there are not', { virtioHeader: 12, offloads: 0x8000 }, 'VIO_TAP_OFFLOAD'],
  ] as const)('refuses %s by name', (_what, options, code) => {
    expect(codeOfCall(() => open(options))).toBe(code);
  });

  it('says when a tap has as many queues as there may be', () => {
    open({ name: 'vio-q', queues: 256 });
    expect(codeOfCall(() => open({ name: 'vio-q', queues: 2 }))).toBe('VIO_TAP_QUEUES');
  });

  describe('of a tap that exists', () => {
    const make = (name: string, kind: string): void => {
      sh(`ip tuntap add dev ${name} ${kind}`);
      made.push(name);
    };
    const made: string[] = [];
    afterEach(() => {
      for (const name of made.splice(0)) sh(`ip link del ${name}`);
    });

    it.each([
      ['multi_queue', 1, { multiQueue: true, queues: 1 }],
      ['multi_queue', 2, { multiQueue: true, queues: 2 }],
      ['', 1, { multiQueue: false, queues: 1 }],
    ])('(made with "%s") opens %i queues', (kind, queues, expected) => {
      make('vio-r', `mode tap ${kind}`);
      const tap = open({ name: 'vio-r', queues, virtioHeader: 12 });
      expect({ multiQueue: tap.multiQueue, queues: tap.fds.length }).toEqual(expected);
      expect(sh('ip -d link show vio-r')).toContain('vnet_hdr on');
    });

    it.each([
      ['a tap of one queue', 'mode tap', 2, /several queues: ask for one queue/],
      ['a tun', 'mode tun', 1, /no tap: choose another name/],
      ['a tun of several queues', 'mode tun multi_queue', 1, /no tap: choose another name/],
      ['a tun of several queues', 'mode tun multi_queue', 2, /no tap of several queues/],
    ] as const)('says that %s (%s) has no place for %i queues', (_what, kind, queues, remedy) => {
      make('vio-s', kind);
      expect(() => open({ name: 'vio-s', queues })).toThrow(
        expect.objectContaining({ code: 'VIO_TAP_MISMATCH', remedy: expect.stringMatching(remedy) }),
      );
    });

    it.each([
      [12, undefined],
      [undefined, 12],
    ] as const)('says that its holder has headers of %s where %s were asked for', (held, asked) => {
      const headers = (virtioHeader?: 12) => (virtioHeader === undefined ? {} : { virtioHeader });
      open({ name: 'vio-t', queues: 2, ...headers(held) });
      expect(codeOfCall(() => open({ name: 'vio-t', queues: 2, ...headers(asked) }))).toBe(
        'VIO_TAP_MISMATCH',
      );
    });
  });

  it('says who holds a tap', () => {
    open({ name: 'vio-f' });
    expect(codeOfCall(() => open({ name: 'vio-f' }))).toBe('VIO_TAP_IN_USE');
  });

  it.each([
    ['what is no tap', () => [openSync('/dev/null', 'r')], 'VIO_TAP_MISMATCH'],
    ['nothing', () => [], 'VIO_TAP_MISMATCH'],
    ['a descriptor that is not open', () => [-1], 'VIO_TAP_MISMATCH'],
    ['the device before it is a tap', () => [openSync('/dev/net/tun', 'r+')], 'VIO_TAP_GONE'],
    [
      'queues of two taps',
      () => [...open({ name: 'vio-1' }).fds, ...open({ name: 'vio-2' }).fds],
      'VIO_TAP_MISMATCH',
    ],
  ] as const)('refuses to adopt %s', (_what, fds, code) => {
    expect(codeOfCall(() => Tap.adopt(fds()))).toBe(code);
  });
});

describe('an open tap', () => {
  it('carries frames both ways', () => {
    const tap = open({ name: 'vio-g', mac: '02:00:00:00:00:09' });
    sh(
      'ip addr add 10.9.0.1/24 dev vio-g; ip link set vio-g up; sysctl -qw net.ipv6.conf.vio-g.disable_ipv6=1',
    );
    sh('ping -c 1 -W 1 10.9.0.3 >/dev/null || true');
    const frame = Buffer.alloc(2048);
    const types = new Set<number>();
    try {
      for (;;) {
        readSync(tap.fds[0], frame);
        types.add(frame.readUInt16BE(12));
      }
    } catch {
      // Nothing more is waiting.
    }
    expect(types).toContain(0x0806);
    // An ARP request to the kernel: it answers.
    const request = Buffer.from(
      'ffffffffffff0200000000aa080600010800060400010200000000aa0a0900020000000000000a090001',
      'hex',
    );
    expect(writeSync(tap.fds[0], request)).toBe(request.length);
    // Before that it may ask for 10.9.0.3 once more.
    do readSync(tap.fds[0], frame);
    while (frame.subarray(0, 6).equals(request.subarray(0, 6)));
    expect(frame.subarray(0, 42).toString('hex')).toBe(
      '0200000000aa020000000009080600010800060400020200000000090a0900010200000000aa0a090002',
    );
  });

  it('changes its offloads and queues', () => {
    const tap = open({ name: 'vio-h', queues: 2, virtioHeader: 12 });
    tap.setOffloads(TUN_F_CSUM);
    tap.setQueueAttached(1, false);
    expect(sh('ip -d link show vio-h')).toContain('numqueues 1 numdisabled 1');
    tap.setQueueAttached(1, true);
    expect(sh('ip -d link show vio-h')).toContain('numqueues 2 numdisabled 0');
  });

  it('says by name when it was deleted', () => {
    const tap = open({ name: 'vio-i' });
    sh('ip link del vio-i');
    expect([tap.name, codeOfCall(() => tap.up), codeOfCall(() => tap.mac)]).toEqual([
      'vio-i',
      'VIO_TAP_GONE',
      'VIO_TAP_GONE',
    ]);
  });

  it('is the same under another name', () => {
    const tap = open({ name: 'vio-j', mtu: 1400 });
    sh('ip link set vio-j name vio-k');
    expect([tap.name, tap.mtu]).toEqual(['vio-k', 1400]);
  });

  it('is not taken for another interface that got its name', () => {
    const tap = open({ name: 'vio-l', mtu: 1400 });
    sh('ip link set vio-l name vio-m; ip tuntap add mode tap vio-l');
    try {
      expect([tap.name, tap.mtu]).toEqual(['vio-m', 1400]);
    } finally {
      sh('ip link del vio-l');
    }
  });

  it('is the same in another network namespace, where its name was free', () => {
    const tap = open({ name: 'vio-n', mtu: 1400 });
    sh('ip netns add vio-ns2; ip link set vio-n netns vio-ns2; ip tuntap add mode tap vio-n');
    try {
      tap.up = true;
      expect(sh('ip -n vio-ns2 link show vio-n')).toMatch(/UP.*mtu 1400/);
      expect([tap.mtu, tap.running]).toEqual([1400, true]);
    } finally {
      sh('ip link del vio-n; ip netns del vio-ns2');
    }
  });

  it('runs while it is up and has a carrier', async () => {
    const tap = open({ name: 'vio-o' });
    expect(tap.running).toBe(false);
    const changes: [() => void, boolean][] = [
      [() => sh('ip link set vio-o up'), true],
      [() => sh('ip link set vio-o carrier off'), false],
      [() => tap.setCarrier(true), true],
      [() => sh('ip link set vio-o down'), false],
    ];
    for (const [change, running] of changes) {
      change();
      await vi.waitUntil(() => tap.running === running, { timeout: 10_000 });
    }
  });
});

describe('the example tap-ping', () => {
  it('answers every ping, and leaves no interface behind', async () => {
    const main = join(import.meta.dirname, '../../examples/tap-ping/dist/main.js');
    const example = spawn(process.execPath, [main, 'vio-ping', '10.77.0.1/24', '10.77.0.2']);
    await once(example.stdout, 'data');
    expect(sh('ping -c 5 -i 0.05 -s 1400 10.77.0.2')).toContain('5 received');
    example.kill('SIGINT');
    expect(await once(example, 'exit')).toEqual([0, null]);
    expect(exists('vio-ping')).toBe(false);
  });
});
