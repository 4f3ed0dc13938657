import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HASH_REPORT_IPv4,
  HASH_REPORT_NONE,
  HASH_REPORT_TCPv4,
  HASH_TYPE_IPv4,
  type OffloadOptions,
  PacketBurst,
} from '@vio/net';
import { defaultHashKey, supportedHashTypes } from '@vio/net/internal';
import { writeFrames } from '@vio/net/testing';
import { privatePool } from '@vio/rings/testing';
import { ReceiveSteering, type VhostDevice, VhostDriver, controlFeatures, hashFeatures } from '@vio/vhost';
import { describe, expect, it } from 'vitest';
import type { VirtioUserOptions } from '../config/config.ts';
import { openVirtioUser } from '../open.ts';
import type { VirtioUserPort } from '../virtio-user-port.ts';

const mac = '02:00:00:00:00:02';
/** From the test vectors of Microsoft, "Verifying the RSS hash calculation": IPv4, TCP from 66.9.149.187:2794. */
const vector = { addresses: 0x323e8fc2, ports: 0x51ccc178 };

function tcp(bytes = 60): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45]);
  frame.set(
    [6, 0, 0, 66, 9, 149, 187, 161, 142, 100, 80, 2794 >>> 8, 2794 & 0xff, 1766 >>> 8, 1766 & 0xff],
    23,
  );
  return frame;
}

const arp = (): Uint8Array =>
  Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, ...new Uint8Array(46)]);

/** A backend that offers hashes, and a port on it. */
class HashPair implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vio-hash-'));
  readonly #path = join(this.#directory, 'vhost.sock');
  readonly #driver = VhostDriver.register(this.#path);
  readonly #pool = privatePool(16);
  port!: VirtioUserPort;
  steering!: ReceiveSteering;

  static async open(
    options: Omit<VirtioUserOptions, 'path'>,
    offloads: OffloadOptions,
    features = controlFeatures | hashFeatures,
  ): Promise<HashPair> {
    const pair = new HashPair();
    pair.#driver.enableFeatures(features);
    pair.#driver.setQueueNum(4);
    pair.#driver.callbacks({
      newConnection: (device: VhostDevice) => (pair.steering = new ReceiveSteering(device)),
    });
    await pair.#driver.start();
    try {
      pair.port = await openVirtioUser({ path: pair.#path, mac, ...options }, { offloads });
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
    return pair;
  }

  /** Delivers a frame. @returns the queue pair it arrived on, with hash and report */
  through(frame: Uint8Array): [number, number, number] {
    const burst = new PacketBurst(1);
    writeFrames(this.#pool, burst, [frame]);
    if (this.steering.deliver(burst) !== 1) throw new Error('the frame was not delivered');
    burst.release();
    const received = this.port.burst(8);
    const pair = this.port.rx.findIndex((rx) => rx.receive(received) === 1);
    const { offloads, length } = received;
    if (length[0] !== frame.length) throw new Error(`${length[0]} bytes of ${frame.length} arrived`);
    received.release();
    return [pair, offloads?.hash[0] ?? -1, offloads?.hashReport[0] ?? -1];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Opening may have failed.
    await (this.port as VirtioUserPort | undefined)?.close();
    await this.#driver.close();
    rmSync(this.#directory, { recursive: true });
  }
}

const rss = (table: readonly number[], hashTypes = supportedHashTypes, unclassified = 0) => ({
  hashTypes,
  key: defaultHashKey,
  table,
  unclassified,
  transmitQueues: 4,
});
/** 128 entries, each of which tells its own place: queue 3 where the hash of the vector points to. */
const table = Array.from({ length: 128 }, (_, i) => (i === (vector.ports & 127) ? 3 : 1));

describe.each([
  ['split', { packed_vq: false, mrg_rxbuf: true }],
  ['split, no mergeable buffers', { packed_vq: false, mrg_rxbuf: false }],
  ['packed', { packed_vq: true, mrg_rxbuf: true }],
  ['packed, no mergeable buffers', { packed_vq: true, mrg_rxbuf: false }],
] as const)('a port with RSS and hash reports (%s)', (_, devargs) => {
  it('gets a packet where its table says, with its hash', async () => {
    await using pair = await HashPair.open({ queues: 4, ...devargs }, { rss: true, hashReport: true });
    await pair.port.control.setRss(rss(table));
    expect(pair.through(tcp())).toEqual([3, vector.ports, HASH_REPORT_TCPv4]);
    expect(pair.through(arp())).toEqual([0, 0, HASH_REPORT_NONE]);
    await pair.port.control.setRss(rss([2], HASH_TYPE_IPv4, 1));
    expect(pair.through(tcp())).toEqual([2, vector.addresses, HASH_REPORT_IPv4]);
    expect(pair.through(arp())).toEqual([1, 0, HASH_REPORT_NONE]);
  });
});

it('a frame over several buffers has its hash', async () => {
  await using pair = await HashPair.open({ queues: 4 }, { rss: true, hashReport: true });
  await pair.port.control.setRss(rss(table));
  expect(pair.through(tcp(5000))).toEqual([3, vector.ports, HASH_REPORT_TCPv4]);
});

it('a port of one queue pair can have reports alone, and none before it asks', async () => {
  await using pair = await HashPair.open({}, { hashReport: true });
  expect(pair.through(tcp())).toEqual([0, 0, HASH_REPORT_NONE]);
  await pair.port.control.setHash({ hashTypes: supportedHashTypes, key: defaultHashKey });
  expect(pair.through(tcp())).toEqual([0, vector.ports, HASH_REPORT_TCPv4]);
});

it('RSS without reports has no place for them', async () => {
  await using pair = await HashPair.open({ queues: 4 }, { rss: true });
  await pair.port.control.setRss(rss(table));
  expect(pair.through(tcp())).toEqual([3, -1, -1]);
});

it.each([
  ['a table of more than 128 entries', rss(Array.from({ length: 256 }, () => 0))],
  ['a key of 41 bytes', { ...rss([0]), key: new Uint8Array(41) }],
  ['a hash type that nobody knows', rss([0], 1 << 20)],
])('a port does not ask for %s, because the backend says what it can do', async (_, config) => {
  await using pair = await HashPair.open({ queues: 4 }, { rss: true });
  expect(pair.port.control.rssLimits).toEqual({
    keyBytes: 40,
    tableEntries: 128,
    hashTypes: supportedHashTypes,
  });
  await expect(pair.port.control.setRss(config)).rejects.toMatchObject({ code: 'VIO_CONTROL_VALUE' });
});

it.each([
  ['without the features', controlFeatures],
  ['without a control queue of its own', hashFeatures],
])('a backend %s has neither, and opening says so', async (_, features) => {
  await expect(HashPair.open({ queues: 4 }, { rss: true, hashReport: true }, features)).rejects.toMatchObject(
    {
      code: 'VIO_OFFLOAD_UNAVAILABLE',
      message: expect.stringContaining('HASH_REPORT, RSS') as string,
    },
  );
});
