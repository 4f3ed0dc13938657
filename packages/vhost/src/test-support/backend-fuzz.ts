import type { VioError } from '@vio/native';
import * as net from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM } from '@vio/rings';
import { FuzzLog, type Fuzzed, Random } from '@vio/rings/testing';
import { openFds } from '@vio/test-support';
import { FakeStream } from './fake-stream.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES, closeAll } from '../wire/index.ts';
import { BackendConnection } from '../backend/protocol/connection.ts';
import { DeviceConfig } from '../backend/device/device-config.ts';
import { usualFeatures } from '../backend/device/device-features.ts';
import { netShape } from '../backend/device/device-shape.ts';
import { noExternHandlers } from '../backend/protocol/extern-handlers.ts';
import { supportedProtocolFeatures } from '../backend/protocol/handlers.ts';
import { RegionClaims } from '../backend/protocol/region-claims.ts';
import { HostileFrontend } from './hostile-frontend.ts';
import { packetPool } from './packets.ts';
import { ServedDevice } from '../backend/device/served-device.ts';
import { VhostDevice } from '../backend/device/vhost-device.ts';

const queuePairs = 2;
const messagesPerConnection = 60;
const pool = packetPool(32);
const burst = new net.PacketBurst(32);
/** Connections between two looks at what is held. */
const connectionsPerLook = 50;

/**
 * Lets hostile frontends talk to backends, without a socket in between: a connection goes on or ends with a reason, which is
 * never an error of ours; bursts on whatever rings there are move or do not; and afterwards nothing is held.
 * @param states messages
 */
export async function fuzzBackend(states: number, seed: number): Promise<Fuzzed> {
  const log = new FuzzLog(states);
  const random = new Random(seed);
  using frontend = new HostileFrontend(random);
  const held = openFds();
  for (let connections = 1; log.open; connections++) {
    const backend = new Backend(log);
    if (random.chance(0.7)) {
      const protocol = random.chance(0.8) ? supportedProtocolFeatures & ~(1n << 5n) : 0n;
      for (const [bytes, fds] of frontend.start(protocol)) {
        if (!log.open || backend.over) closeAll(fds);
        else log.state(() => backend.hear(() => backend.stream.feed(bytes, fds)));
      }
    }
    for (let i = 0; i < messagesPerConnection && log.open && !backend.over; i++) {
      log.state(() => backend.hear(() => frontend.send(backend.stream)));
      if (random.chance(0.1)) log.state(() => backend.move(random));
      // Answers go out.
      if (i % 16 === 0) await turn();
    }
    await backend.end();
    if (connections % connectionsPerLook !== 0) continue;
    const now = openFds();
    if (now !== held) log.found(`${now} descriptors are open, there were ${held}`);
  }
  return log.result();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One connection, its device, and an application that moves packets. */
class Backend {
  readonly stream = new FakeStream();
  over = false;
  readonly #log: FuzzLog;
  readonly #served: ServedDevice;
  readonly #device: VhostDevice;
  readonly #connection: BackendConnection;
  #wrong: string | undefined;

  constructor(log: FuzzLog) {
    this.#log = log;
    const saw = (what: string) => () => log.saw(what);
    this.#served = new ServedDevice(
      0,
      'fuzz',
      {
        newDevice: saw('newDevice'),
        destroyDevice: saw('destroyDevice'),
        vringStateChanged: saw('vringStateChanged'),
        broken: (_queue, { code }) => log.saw(code),
        baseCorrected: saw('baseCorrected'),
        featuresChanged: () => {},
        command: ({ kind }) => {
          log.saw(kind);
          return true;
        },
        giveUp: (reason) => void this.#connection.end(reason),
        notify: () => false,
        notified: () => {},
        failed: (error) => (this.#wrong = String(error)),
      },
      netShape(
        () => queuePairs,
        new DeviceConfig(() => ({ mac: '02:00:00:00:00:01', linkUp: true, mtu: 1500, maxPairs: queuePairs })),
      ),
      { iommu: true, postcopyTimeout: 1 },
    );
    this.#device = new VhostDevice(this.#served);
    const offered =
      VIRTIO_F_ACCESS_PLATFORM |
      usualFeatures |
      net.VIRTIO_NET_F_CTRL_VQ |
      net.VIRTIO_NET_F_MQ |
      VHOST_USER_F_PROTOCOL_FEATURES;
    this.#connection = new BackendConnection(
      this.stream,
      {
        device: this.#served,
        claims: new RegionClaims(),
        offered,
        offeredProtocol: supportedProtocolFeatures,
        queueNum: queuePairs,
        rings: 2 * queuePairs + 1,
        extern: noExternHandlers,
        announced: saw('announced'),
      },
      {
        refused: ({ code }) => log.saw(code),
        exhausted: () => {},
        ended: (reason) => this.#ended(reason),
      },
    );
  }

  /** @returns what is wrong with what the frontend has just said, or undefined */
  hear(say: () => void): string | undefined {
    say();
    return this.#wrong;
  }

  /** Bursts on all rings. */
  move(random: Random): string | undefined {
    for (let ring = 0; ring <= 2 * queuePairs; ring++) {
      burst.count = 0;
      burst.pool = pool;
      if (ring % 2 === 1) this.#log.saw('dequeued', this.#device.dequeueBurst(ring, pool, burst));
      else {
        burst.allocate(pool, 1 + random.below(4), 60);
        this.#log.saw('enqueued', this.#device.enqueueBurst(ring, burst));
      }
      burst.release();
      burst.count = 0;
    }
    return pool.free === pool.count ? this.#wrong : 'a buffer is lost';
  }

  async end(): Promise<void> {
    closeAll(this.stream.end());
    await turn();
    if (!this.over || !this.stream.closed) this.#log.found('the connection does not end with its socket');
  }

  #ended(reason: VioError): void {
    this.over = true;
    this.#log.saw(reason.code);
    if (reason.code === 'VIO_VHOST_INTERNAL') {
      const { cause } = reason;
      this.#wrong = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    }
    this.#served.close();
    void this.#connection.end(reason);
  }
}
