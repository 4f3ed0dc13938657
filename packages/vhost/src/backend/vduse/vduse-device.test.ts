import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFd, VioError, dupFd } from '@vio/native';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { PacketBurst, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ } from '@vio/net';
import { until } from '@vio/test-support';
import { readFrames } from '@vio/net/testing';
import { describe, expect, it } from 'vitest';
import { netShape } from '../type/device-shape.ts';
import { ServedDevice } from '../device/served-device.ts';
import { VhostDevice } from '../device/vhost-device.ts';
import { Guest } from '../../test-support/guest.ts';
import { packet, packetPool, sendFrom } from '../../test-support/packets.ts';
import { VduseDevice } from './vduse-device.ts';
import { VduseState } from './vduse-state.ts';
import type { VduseQueue } from './vduse-ioctls.ts';
import type { VduseHandlers } from './vduse-node.ts';

/** The kernel's side, with a driver that has set up everything. */
class FakeNode {
  found = false;
  features = VIRTIO_F_VERSION_1;
  readonly kicks: number[] = [];
  readonly calls: number[] = [];
  handlers: VduseHandlers | undefined;
  /** What is said of a queue in place of the truth. */
  instead: Partial<VduseQueue> = {};
  /** A ring whose memory is not shared yet, and which is not set up; -1: none. */
  hidden = -1;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  queue(index: number): VduseQueue | undefined {
    const { rings, regions, size } = this.#guest;
    if (index >= rings.length || index === this.hidden) return undefined;
    const base = regions[index].guestAddress;
    const { descriptors, driver, device } = rings[index].addresses;
    return {
      size,
      descriptors: base + descriptors.offset,
      driver: base + driver.offset,
      device: base + device.offset,
      splitBase: 0,
      packedBase: 0x8000_8000,
      ready: true,
      ...this.instead,
    };
  }

  memory() {
    const { fd } = this.#guest;
    const regions = this.#guest.regions.filter((_, i) => i !== this.hidden);
    return {
      regions: regions.map((region) => ({ ...region, userAddress: region.guestAddress })),
      fds: regions.map(() => dupFd(fd)),
    };
  }

  setKick(index: number, fd: number): void {
    this.kicks[index] = fd;
  }

  /** It takes no calls. */
  deaf = false;

  call(index: number): boolean {
    if (!this.deaf) this.calls.push(index);
    return !this.deaf;
  }

  listen(handlers: VduseHandlers): () => void {
    this.handlers = handlers;
    return () => {};
  }
}

const ok = 15;

function started(features = VIRTIO_F_VERSION_1, rings = 2) {
  const packed = (features & VIRTIO_F_RING_PACKED) !== 0n;
  const guest = new Guest({ features, rings, ring: { format: packed ? 'packed' : 'split' } });
  const directory = mkdtempSync(join(tmpdir(), 'vio-vduse-'));
  const set = serve(guest, features, directory);
  const close = () => {
    set[Symbol.dispose]();
    guest[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  };
  return { ...set, [Symbol.dispose]: close };
}

/** A driver that takes no call for now has sent a packet. */
function sendUnheard(set: ReturnType<typeof started>): void {
  set.vduse.begin();
  set.node.deaf = true;
  set.vduse.setStatus(ok);
  set.guest.rings[1].wantCalls('always');
  sendFrom(set.guest.rings[1], packet(60, 1));
  set.receive();
}

/** Another server of the same device, with the driver at work. */
function successor({ guest, node, directory }: ReturnType<typeof started>) {
  const set = serve(guest, node.features, directory);
  set.node.found = true;
  set.vduse.begin();
  return set;
}

function serve(guest: Guest, features: bigint, directory: string) {
  const node = new FakeNode(guest);
  node.features = features;
  const events: string[] = [];
  const refused: unknown[] = [];
  const hooks = { destroyDevice: () => {} };
  const served = new ServedDevice(
    0,
    '/dev/vduse/card',
    {
      newDevice: () => events.push('newDevice'),
      destroyDevice: () => {
        events.push('destroyDevice');
        hooks.destroyDevice();
      },
      vringStateChanged: () => {},
      broken: (_, { code }) => events.push(code),
      baseCorrected: () => {},
      featuresChanged: () => {},
      command: () => true,
      notify: () => false,
      notified: () => {},
      giveUp: () => {},
      failed: () => {},
    },
    netShape(() => 1),
  );
  const state = new VduseState(directory, 'card', 3, 256);
  const vduse = new VduseDevice(
    node,
    served,
    state,
    { queues: 3, features, deviceId: 1 },
    { refused: (error) => refused.push(error), gone: ({ code }) => events.push(code) },
  );
  const device = new VhostDevice(served);
  const receive = () => {
    const burst = new PacketBurst();
    device.dequeueBurst(1, packetPool(), burst);
    return readFrames(burst);
  };
  const close = () => {
    vduse.end();
    state[Symbol.dispose]();
  };
  return {
    guest,
    node,
    vduse,
    served,
    state,
    events,
    refused,
    hooks,
    receive,
    directory,
    [Symbol.dispose]: close,
  };
}

describe.each([
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
])('a VDUSE device, %s', (_, features) => {
  it('runs from DRIVER_OK on, and moves packets with its driver', () => {
    using set = started(features);
    set.vduse.begin();
    for (const status of [1, 3, 11]) set.node.handlers?.setStatus(status);
    expect(set.events).toEqual([]);
    set.node.handlers?.setStatus(ok);
    expect(set.events).toEqual(['newDevice']);
    set.guest.rings[1].wantCalls('always');
    sendFrom(set.guest.rings[1], packet(60, 1));
    expect(set.receive().map((bytes) => Buffer.from(bytes).equals(packet(60, 1)))).toEqual([true]);
    expect([set.node.calls, set.node.kicks.length]).toEqual([[1], 2]);
  });

  it('says where a queue is', () => {
    using set = started(features);
    set.vduse.begin();
    set.node.handlers?.setStatus(ok);
    sendFrom(set.guest.rings[1], packet(60, 1));
    set.receive();
    const packed = (features & VIRTIO_F_RING_PACKED) !== 0n;
    const { base } = set.vduse.queueState(1);
    expect(base).toBe(packed ? 0x8001_8001 : 1);
    expect(set.vduse.queueState(2)).toEqual({ base: packed ? 0x8000_8000 : 0, packed });
  });

  it('is reset by status 0, and runs again', () => {
    using set = started(features);
    set.vduse.begin();
    for (const status of [ok, 0, ok]) set.node.handlers?.setStatus(status);
    expect(set.events).toEqual(['newDevice', 'destroyDevice', 'newDevice']);
  });

  it('goes on in other memory', () => {
    using set = started(features);
    set.vduse.begin();
    set.node.handlers?.setStatus(ok);
    set.node.handlers?.memoryChanged();
    sendFrom(set.guest.rings[1], packet(60, 1));
    expect([set.receive().length, set.events]).toEqual([1, ['newDevice']]);
  });
});

describe('a VDUSE device', () => {
  it('that was there goes on at once with a driver that is at work', () => {
    using set = started();
    set.node.found = true;
    set.vduse.begin();
    expect([set.events, set.served.status]).toEqual([['newDevice'], ok]);
  });

  it.each([
    ['whose driver has not taken features', { features: 0n }],
    ['whose driver has set up no queue', { instead: { ready: false } }],
  ])('that was there, and %s, waits for it', (_, state) => {
    using set = started();
    Object.assign(set.node, { found: true }, state);
    set.vduse.begin();
    expect(set.events).toEqual([]);
  });

  it('whose driver names addresses that it does not share is told so', () => {
    using set = started();
    set.vduse.begin();
    set.node.instead = { descriptors: 0x10 };
    expect(() => set.vduse.setStatus(ok)).toThrow(expect.objectContaining({ code: 'VIO_VHOST_RING' }));
    set.node.found = true;
    set.served.reset();
    set.vduse.begin();
    expect(set.refused.map((error) => VioError.is(error) && error.code)).toEqual(['VIO_VHOST_RING']);
  });

  it('finds memory that is shared later, without a word, when its driver uses it', () => {
    using set = started();
    set.node.hidden = 0;
    set.vduse.begin();
    set.vduse.setStatus(ok);
    const late = set.guest.rings[0].memory;
    set.guest.rings[1].expose([{ address: late.put(new Uint8Array(72)), length: 72 }]);
    set.node.hidden = -1;
    expect([set.receive().length, set.receive().length, set.events]).toEqual([0, 1, []]);
  });

  it('tells of memory that cannot be had, and breaks the ring that misses it, in the middle of a burst', () => {
    using set = started();
    set.node.hidden = 0;
    set.vduse.begin();
    set.vduse.setStatus(ok);
    const late = set.guest.rings[0].memory;
    set.guest.rings[1].expose([{ address: late.put(new Uint8Array(72)), length: 72 }]);
    const { regions } = set.guest;
    set.node.memory = () => ({
      regions: regions.map((region) => ({ ...region, mmapOffset: 4 })),
      fds: regions.map(() => dupFd(set.guest.fd)),
    });
    expect([set.receive(), set.events]).toEqual([[], ['ADDRESS_UNMAPPED']]);
    expect(set.refused).toMatchObject([{ code: 'VIO_VHOST_MEMORY' }]);
  });

  it('breaks at an address that its driver does not share, now as before', () => {
    using set = started();
    set.vduse.begin();
    set.vduse.setStatus(ok);
    set.guest.rings[1].expose([{ address: 0x10, length: 72 }]);
    expect([set.receive(), set.events]).toEqual([[], ['newDevice', 'ADDRESS_UNMAPPED']]);
  });

  it('calls a driver that takes no call yet as soon as it does', async () => {
    using set = started();
    sendUnheard(set);
    expect(set.node.calls).toEqual([]);
    set.node.deaf = false;
    await until(() => set.node.calls.length > 0);
    expect(set.node.calls).toEqual([1]);
  });

  it('calls a driver no more that has reset it', async () => {
    using set = started();
    sendUnheard(set);
    set.vduse.setStatus(0);
    set.node.deaf = false;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(set.node.calls).toEqual([]);
  });

  it.each<[string, (set: ReturnType<typeof started>) => void]>([
    ['resets it', ({ vduse }) => vduse.setStatus(0)],
    ['is served no more', ({ vduse }) => vduse.end()],
  ])('calls a driver no more that %s, for what it gets back with that either', async (_, end) => {
    using set = started();
    set.vduse.begin();
    set.vduse.setStatus(ok);
    set.guest.rings[1].wantCalls('always');
    sendFrom(set.guest.rings[1], packet(60, 1));
    let received = 0;
    set.hooks.destroyDevice = () => (received += set.receive().length);
    set.node.deaf = true;
    end(set);
    set.node.deaf = false;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([received, set.node.calls]).toEqual([1, []]);
  });

  it('calls a driver for what it gets back when it ends', () => {
    using set = started();
    set.vduse.begin();
    set.vduse.setStatus(ok);
    set.guest.rings[1].wantCalls('always');
    sendFrom(set.guest.rings[1], packet(60, 1));
    set.hooks.destroyDevice = () => void set.receive();
    set.vduse.end();
    expect(set.node.calls).toEqual([1]);
  });

  it('refuses features that were not offered, and the driver sees that', () => {
    using set = started();
    set.vduse.begin();
    set.node.features = VIRTIO_F_VERSION_1 | (1n << 20n);
    const code = expect.objectContaining({ code: 'VIO_VHOST_FEATURES' });
    expect(() => set.node.handlers?.setStatus(11)).toThrow(code);
    expect(() => set.node.handlers?.setStatus(ok)).toThrow(code);
    expect(set.events).toEqual([]);
  });

  it('tells when there is none any more', () => {
    using set = started();
    set.vduse.begin();
    set.node.handlers?.gone(new VioError('gone', { code: 'VIO_VDUSE_BROKEN', remedy: 'none' }));
    expect(set.events).toEqual(['VIO_VDUSE_BROKEN']);
  });

  it('takes a kick of its driver', () => {
    using set = started();
    set.vduse.begin();
    set.vduse.setStatus(ok);
    using kick = EventFd.adopt(dupFd(set.node.kicks[1]));
    kick.signal();
    expect(set.served.vrings[1].kicks.fd).toBe(set.node.kicks[1]);
  });
});

describe('a VDUSE device with a control queue', () => {
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX;
  const promiscuous = [{ kind: 'rx-mode', mode: 'promiscuous', on: true }];

  /** Gives a command, and waits for its answer. */
  async function command({ guest, node }: ReturnType<typeof started>, ...bytes: number[]): Promise<number> {
    const [, , ring] = guest.rings;
    const at = ring.memory.put(Uint8Array.of(0xee));
    ring.expose([
      { address: ring.memory.put(Uint8Array.from(bytes)), length: bytes.length },
      { address: at, length: 1, writable: true },
    ]);
    using kick = EventFd.adopt(dupFd(node.kicks[2]));
    kick.signal();
    await until(() => ring.memory.read(at, 1)[0] !== 0xee);
    return ring.memory.read(at, 1)[0];
  }

  it('keeps what its driver asked for, until that begins anew', async () => {
    using set = started(features, 3);
    set.vduse.begin();
    set.vduse.setStatus(ok);
    expect([await command(set, 0, 0, 1), set.state.commands(features)]).toEqual([0, promiscuous]);
    set.vduse.setStatus(0);
    expect(set.state.commands(features)).toEqual([]);
  });

  it('carries out a command that cannot be kept, and tells of that', async () => {
    using set = started(features, 3);
    set.vduse.begin();
    set.vduse.setStatus(ok);
    mkdirSync(join(set.directory, 'card.json'));
    writeFileSync(join(set.directory, 'card.json', 'in the way'), '');
    expect([await command(set, 0, 0, 1), [...set.served.settings.rxModes]]).toEqual([0, ['promiscuous']]);
    expect(set.refused).toMatchObject([{ code: 'VIO_VDUSE_STATE' }]);
  });

  it('goes on with it when it was there already', () => {
    using set = started(features, 3);
    set.state.keep([{ kind: 'rx-mode', mode: 'promiscuous', on: true }]);
    set.node.found = true;
    set.vduse.begin();
    expect([set.events, [...set.served.settings.rxModes]]).toEqual([['newDevice'], ['promiscuous']]);
  });

  it('knows nothing of what a device before it was asked for', () => {
    using set = started(features, 3);
    set.state.keep([{ kind: 'rx-mode', mode: 'promiscuous', on: true }]);
    set.vduse.begin();
    set.vduse.setStatus(ok);
    expect(set.served.settings.rxModes.size).toBe(0);
  });
});

describe.each([
  ['split', VIRTIO_F_VERSION_1],
  ['packed', VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED],
])('a VDUSE device whose server was killed, %s', (_, features) => {
  it('goes on where that was, and with what had been fetched', () => {
    using set = started(features);
    set.vduse.begin();
    set.vduse.setStatus(ok);
    for (let i = 0; i < 3; i++) {
      sendFrom(set.guest.rings[1], packet(60, i));
      expect(set.receive()).toHaveLength(1);
    }
    sendFrom(set.guest.rings[1], packet(60, 3));
    // It dies: nothing of what it keeps is changed.
    set.served.close();
    using next = successor(set);
    expect([next.events, next.receive().map((bytes) => Buffer.from(bytes).equals(packet(60, 3)))]).toEqual([
      ['newDevice'],
      [true],
    ]);
    sendFrom(set.guest.rings[1], packet(60, 4));
    expect([next.receive().length, next.receive().length]).toEqual([1, 0]);
  });
});
