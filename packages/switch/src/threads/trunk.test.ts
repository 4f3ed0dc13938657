// The way from one thread to another, with both ends in this one.
import { HDR_F_NEEDS_CSUM, HDR_GSO_TCPV4, PacketBurst, type PacketOffloads } from '@vio/net';
import { readFrames, writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { broadcast, frame, macOf, until } from '@vio/test-support';
import { describe, expect, it } from 'vitest';
import { Rounds } from '../fabric/rounds.ts';
import { TrunkMemory, trunkSlots } from './trunk-memory.ts';
import { TrunkReceiver } from './trunk-receiver.ts';
import { TrunkSender } from './trunk-sender.ts';

interface Heard {
  readonly to: readonly [bridge: number, port: number];
  readonly frames: readonly Uint8Array[];
}

function trunkOf() {
  const memory = TrunkMemory.create();
  const rounds = new Rounds();
  // Nothing is polled but by the test.
  rounds.hold();
  const heard: Heard[] = [];
  const bursts: object[] = [];
  const receiver = new TrunkReceiver(memory, rounds, {
    forward: (bridge, burst) => {
      heard.push({ to: [bridge, -1], frames: readFrames(burst) });
      const { offloads } = burst;
      for (let i = 0; i < burst.count; i++)
        bursts.push({
          flags: offloads?.flags[i],
          gsoType: offloads?.gsoType[i],
          headerLength: offloads?.headerLength[i],
          segmentSize: offloads?.segmentSize[i],
          checksumStart: offloads?.checksumStart[i],
          checksumOffset: offloads?.checksumOffset[i],
        });
    },
    copies: (bridge, port, burst) => heard.push({ to: [bridge, port], frames: readFrames(burst) }),
  });
  const pool = privatePool();
  const sender = new TrunkSender(memory);
  return {
    sender,
    receiver,
    rounds,
    heard,
    offloads: bursts,
    send: (
      frames: readonly Uint8Array[],
      target = { bridge: 0 },
      change: (burst: PacketBurst) => void = () => {},
    ): number => {
      const burst = new PacketBurst(Math.max(1, frames.length), { offloads: true });
      writeFrames(pool, burst, frames);
      change(burst);
      const lost = sender.send(target, burst, 0, burst.count);
      burst.release();
      return lost;
    },
    poll: (): number => {
      let frames = 0;
      for (let some = receiver.poll(0); some > 0; some = receiver.poll(0)) frames += some;
      return frames;
    },
    [Symbol.dispose]: () => {
      receiver.close();
      memory[Symbol.dispose]();
    },
  };
}

function put(
  offloads: PacketOffloads | undefined,
  name: 'flags' | 'gsoType' | 'headerLength' | 'segmentSize' | 'checksumStart' | 'checksumOffset',
  value: number,
): void {
  if (offloads !== undefined) offloads[name][0] = value;
}

describe('a trunk between threads', () => {
  it('brings frames of every length in their order, bit for bit, again and again', () => {
    using trunk = trunkOf();
    const lengths = [60, 61, 1514, 2048, 2049, 4096, 9014];
    // Twelve buffers, so that every slot is the first one of a packet once.
    const wrong: Uint8Array[] = [];
    for (let slots = 0; slots < 2 * trunkSlots; slots += 12) {
      const sent = lengths.map((bytes) => frame(broadcast, macOf(1), { bytes }));
      expect(trunk.send(sent)).toBe(0);
      expect(trunk.poll()).toBe(sent.length);
      const got = trunk.heard.splice(0).flatMap(({ frames }) => frames);
      wrong.push(...sent.filter((one, i) => Buffer.compare(one, got[i]) !== 0));
    }
    expect(wrong).toEqual([]);
  });

  it('keeps what a packet leaves to whoever gets it', () => {
    using trunk = trunkOf();
    const left = {
      flags: HDR_F_NEEDS_CSUM,
      gsoType: HDR_GSO_TCPV4,
      headerLength: 54,
      segmentSize: 65_535,
      checksumStart: 65_000,
      checksumOffset: 16,
    };
    trunk.send(
      [frame(broadcast, macOf(1), { bytes: 30_000 }), frame(broadcast, macOf(1))],
      undefined,
      ({ offloads }) => {
        for (const [name, value] of Object.entries(left)) put(offloads, name as keyof typeof left, value);
      },
    );
    trunk.poll();
    const nothing = Object.fromEntries(Object.keys(left).map((name) => [name, 0]));
    expect(trunk.offloads).toEqual([left, nothing]);
  });

  it('tells bridges apart, and copies for a mirror from what is to be forwarded', () => {
    using trunk = trunkOf();
    const one = frame(broadcast, macOf(1));
    const targets = [{ bridge: 3 }, { bridge: 3, port: 0 }, { bridge: 0x7fff, port: 4095 }, { bridge: 3 }];
    for (const target of targets) trunk.send([one, one], target);
    trunk.poll();
    expect(trunk.heard).toEqual(
      targets.map(({ bridge, port = -1 }) => ({ to: [bridge, port], frames: [one, one] })),
    );
  });

  it('loses what there is no room for, says how many, and has room again when they were taken', () => {
    using trunk = trunkOf();
    const sent = Array.from({ length: 32 }, () => frame(broadcast, macOf(1)));
    let lost = 0;
    for (let i = 0; i < trunkSlots / 32; i++) lost += trunk.send(sent);
    expect([lost, trunk.send(sent.slice(0, 5))]).toEqual([0, 5]);
    expect(trunk.poll()).toBe(trunkSlots);
    expect(trunk.send(sent)).toBe(0);
    expect(trunk.poll()).toBe(32);
  });

  it('takes a packet whole, or not at all', () => {
    using trunk = trunkOf();
    const large = frame(broadcast, macOf(1), { bytes: 60_000 });
    let lost = 0;
    let sent = 0;
    for (; lost === 0; sent++) lost = trunk.send([large]);
    expect([lost, trunk.poll()]).toEqual([1, sent - 1]);
    expect(trunk.heard.flatMap(({ frames }) => frames).every((one) => Buffer.compare(one, large) === 0)).toBe(
      true,
    );
  });

  it('wakes who sleeps, and lets nobody sleep while there is something', async () => {
    using trunk = trunkOf();
    trunk.rounds.remove(trunk.receiver);
    trunk.send([frame(broadcast, macOf(1))]);
    expect(trunk.receiver.sleep()).toBe(true);
    trunk.poll();
    expect([trunk.receiver.sleep(), trunk.rounds.awake]).toEqual([false, 0]);
    trunk.send([frame(broadcast, macOf(1))]);
    await until(() => trunk.rounds.awake === 1);
    expect(trunk.poll()).toBe(1);
  });
});
