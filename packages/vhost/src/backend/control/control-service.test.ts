import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import type { ScriptedChain, ScriptedDriver } from '@vio/rings/testing';
import { until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { frontendRequests as requests } from '../../wire/index.ts';
import { TestBackend, handled } from '../../test-support/test-backend.ts';
import { Guest, type GuestOptions, baseIs } from '../../test-support/guest.ts';
import { packet, packetPool, packetsOf, supply } from '../../test-support/packets.ts';
import { Pair } from '../../test-support/pair.ts';
import { controlFeatures } from '../type/device-features.ts';

const OK = 0;
const ERR = 1;

/** A started device of one pair (the control queue is ring 2), or of two with MQ (it is ring 4). */
async function started(options: GuestOptions = {}) {
  const features = VIRTIO_F_VERSION_1 | controlFeatures | (options.features ?? 0n);
  const several = (features & VIRTIO_NET_F_MQ) !== 0n;
  const pair = await Pair.start({
    guest: { ...options, features, rings: several ? 5 : 3 },
    offer: (driver) => {
      driver.enableFeatures(controlFeatures);
      driver.setQueueNum(2);
    },
  });
  const index = several ? 4 : 2;
  return Object.assign(pair, { index, ring: pair.guest.rings[index], kick: pair.guest.kicks[index] });
}

/** Exposes a command, without a kick. @returns where its answer is going to be */
function expose(ring: ScriptedDriver, ...bytes: number[]): number {
  const answer = ring.memory.put(Uint8Array.of(0xee));
  const chain: ScriptedChain = [
    { address: ring.memory.put(Uint8Array.from(bytes)), length: bytes.length },
    { address: answer, length: 1, writable: true },
  ];
  ring.expose(chain);
  return answer;
}

async function answerTo(set: Awaited<ReturnType<typeof started>>, ...bytes: number[]): Promise<number> {
  const at = expose(set.ring, ...bytes);
  set.kick.signal();
  await until(() => set.ring.memory.read(at, 1)[0] !== 0xee);
  return set.ring.memory.read(at, 1)[0];
}

const formats: [string, GuestOptions][] = [
  ['split', {}],
  ['packed', { features: VIRTIO_F_RING_PACKED, ring: { format: 'packed' } }],
  ['split, with an event index', { features: 1n << 29n, ring: { eventIdx: true } }],
];

describe.each(formats)('the control queue of a device (%s)', (_, options) => {
  it('answers commands at every kick, and calls the driver', async () => {
    await using set = await started(options);
    expect(await answerTo(set, 0, 0, 1)).toBe(OK);
    expect(await answerTo(set, 0, 0, 0)).toBe(OK);
    expect(set.guest.calls[set.index].drain()).toBe(true);
    expect(set.backend.events.filter((event) => event.startsWith('command'))).toEqual([
      'command 0 rx-mode',
      'command 0 rx-mode',
    ]);
  });

  it('answers what was there before the first kick', async () => {
    const backend = await TestBackend.start();
    backend.driver.enableFeatures(controlFeatures);
    const features = VIRTIO_F_VERSION_1 | controlFeatures | (options.features ?? 0n);
    using guest = new Guest({ ...options, features, rings: 3 });
    const answer = expose(guest.rings[2], 0, 0, 1);
    await guest.start(await backend.connect());
    await until(() => guest.rings[2].memory.read(answer, 1)[0] === OK);
    expect(backend.device.settings.rxModes).toEqual(new Set(['promiscuous']));
    await backend[Symbol.asyncDispose]();
  });

  it('refuses nonsense without asking anybody', async () => {
    await using set = await started(options);
    for (const bytes of [[9, 9], [0], [1, 0, 255, 255, 255, 255], [4, 0, 1, 0]])
      expect(await answerTo(set, ...bytes)).toBe(ERR);
    expect(set.backend.events.some((event) => event.startsWith('command'))).toBe(false);
  });

  it('breaks alone when its driver exposes what is nowhere', async () => {
    await using set = await started(options);
    set.ring.expose([{ address: 0x10, length: 4 }]);
    set.kick.signal();
    await until(() => set.backend.broken.length > 0);
    expect(set.backend.broken).toMatchObject([{ queue: set.index, fault: { code: 'ADDRESS_UNMAPPED' } }]);
    expect(set.guest.errs[set.index].drain()).toBe(true);
    supply(set.guest.rings[0], 256);
    expect(set.device.enqueueBurst(0, packetsOf(packetPool(), packet(60)))).toBe(1);
  });

  it('goes on where it was when it is stopped and set up anew', async () => {
    await using set = await started(options);
    await answerTo(set, 0, 0, 1);
    const { index, frontend, guest } = set;
    const stopped = await frontend.ask(requests.GET_VRING_BASE, { index, value: 0 });
    for (const step of guest.ringSteps(index)) {
      if (!step.name.startsWith('SET_VRING_BASE')) await step.run(frontend);
      else await frontend.send(requests.SET_VRING_BASE, { index, value: stopped?.value ?? 0 });
    }
    await handled(frontend);
    expect(await answerTo(set, 0, 1, 1)).toBe(OK);
  });
});

describe.each(formats)('a control queue that a successor resumes (%s)', (_, options) => {
  /** Its backend dies, and another one takes its place; the frontend knows where the ring was. */
  async function resumed(set: Awaited<ReturnType<typeof started>>): Promise<void> {
    const { backend, guest, index, frontend } = set;
    const base = set.served.setup.vring(index).control?.queue.base() ?? 0;
    frontend.close();
    await until(() => backend.ended.length > 0);
    backend.events.length = 0;
    await guest.start(await backend.connect(), { [`SET_VRING_BASE ${index}`]: baseIs(base) });
  }
  const commands = ({ backend }: Awaited<ReturnType<typeof started>>): string[] =>
    backend.events.filter((event) => event.startsWith('command'));

  it('calls a driver that sleeps since before it died, and carries nothing out again', async () => {
    await using set = await started(options);
    const { guest, index, ring } = set;
    ring.wantCalls('never');
    await answerTo(set, 0, 0, 1);
    ring.wantCalls('always');
    guest.calls[index].drain();
    await resumed(set);
    expect([guest.calls[index].drain(), set.device.guestNotifications, commands(set)]).toEqual([true, 1, []]);
  });

  it('answers a command that was waiting when it died', async () => {
    await using set = await started(options);
    await answerTo(set, 0, 0, 1);
    set.ring.used();
    // Without a kick: it does not hear of it.
    const answer = expose(set.ring, 0, 1, 1);
    set.guest.calls[set.index].drain();
    await resumed(set);
    await until(() => set.ring.memory.read(answer, 1)[0] === OK);
    expect([set.guest.calls[set.index].drain(), commands(set)]).toEqual([true, ['command 1 rx-mode']]);
  });

  it('goes on with the ones to come', async () => {
    await using set = await started(options);
    for (let i = 0; i < 5; i++) {
      expect(await answerTo(set, 0, 0, i & 1)).toBe(OK);
      set.ring.used();
    }
    await resumed(set);
    for (let i = 0; i < 5; i++) {
      expect(await answerTo(set, 0, 1, i & 1)).toBe(OK);
      set.ring.used();
    }
    expect(commands(set)).toHaveLength(5);
  });
});

describe('queue pairs', () => {
  const mq = { features: VIRTIO_NET_F_MQ };

  it('are in use one by one as the driver says, and events tell', async () => {
    await using set = await started(mq);
    const states = (): string[] => set.backend.events.filter((event) => event.startsWith('vringState'));
    expect(states()).toEqual(['vringStateChanged 0 0 on', 'vringStateChanged 0 1 on']);
    expect(await answerTo(set, 4, 0, 2, 0)).toBe(OK);
    expect(await answerTo(set, 4, 0, 1, 0)).toBe(OK);
    expect(states().slice(2)).toEqual([
      'vringStateChanged 0 2 on',
      'vringStateChanged 0 3 on',
      'vringStateChanged 0 2 off',
      'vringStateChanged 0 3 off',
    ]);
  });

  it('are refused beyond those offered', async () => {
    await using set = await started(mq);
    expect(await answerTo(set, 4, 0, 3, 0)).toBe(ERR);
  });

  it('are refused before they are set up', async () => {
    await using set = await started(mq);
    await set.frontend.ask(requests.GET_VRING_BASE, { index: 3, value: 0 });
    expect(await answerTo(set, 4, 0, 2, 0)).toBe(ERR);
  });

  it('begin with one again after a reset', async () => {
    await using set = await started(mq);
    await answerTo(set, 4, 0, 2, 0);
    await set.frontend.send(requests.SET_STATUS, 0);
    await handled(set.frontend);
    expect(set.device.settings.queuePairs).toBe(1);
  });
});

it('a command the application refuses changes nothing', async () => {
  await using set = await started();
  set.backend.onCommand = () => false;
  expect(await answerTo(set, 0, 0, 1)).toBe(ERR);
  expect(set.device.settings.rxModes.size).toBe(0);
});

it('an application that throws ends the connection, and says so', async () => {
  await using set = await started();
  set.backend.onCommand = () => {
    throw new TypeError('application');
  };
  expect(await answerTo(set, 0, 0, 1)).toBe(ERR);
  await until(() => set.backend.ended.length > 0);
  expect(set.backend.ended).toMatchObject([
    { code: 'VIO_VHOST_INTERNAL', cause: { message: 'application' } },
  ]);
});

it('a driver that does not kick is answered all the same', async () => {
  await using set = await started();
  await set.frontend.send(requests.SET_VRING_KICK, { index: set.index, hasFd: false });
  await handled(set.frontend);
  const at = expose(set.ring, 0, 0, 1);
  await until(() => set.ring.memory.read(at, 1)[0] === OK);
  expect(set.device.settings.rxModes.has('promiscuous')).toBe(true);
});

it('a device without CTRL_VQ has rings only, whatever else of it is negotiated', async () => {
  const backend = await TestBackend.start();
  backend.driver.enableFeatures(controlFeatures);
  const features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MQ | (controlFeatures & ~VIRTIO_NET_F_CTRL_VQ);
  using guest = new Guest({ features, rings: 4 });
  await guest.start(await backend.connect());
  expect([backend.device.controlQueue, backend.device.pairsInUse]).toEqual([undefined, 2]);
  await backend[Symbol.asyncDispose]();
});
