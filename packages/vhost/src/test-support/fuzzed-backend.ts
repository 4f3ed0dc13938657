import type { VioError } from '@vio/native';
import * as net from '@vio/net';
import { VIRTIO_F_ACCESS_PLATFORM } from '@vio/rings';
import type { FuzzLog, Random } from '@vio/rings/testing';
import { turns } from '@vio/test-support';
import { FakeStream } from './fake-stream.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES, closeAll } from '../wire/index.ts';
import { BackendConnection } from '../backend/protocol/connection.ts';
import { DeviceConfigSpace } from '../backend/type/device-config.ts';
import { usualFeatures } from '../backend/type/device-features.ts';
import { netShape } from '../backend/type/device-shape.ts';
import { noExternHandlers } from '../backend/protocol/extern-handlers.ts';
import { supportedProtocolFeatures } from '../backend/protocol/handlers.ts';
import { RegionClaims } from '../backend/protocol/region-claims.ts';
import { packetPool } from './packets.ts';
import { ServedDevice } from '../backend/device/served-device.ts';
import { VhostDevice } from '../backend/device/vhost-device.ts';

const queuePairs = 2;
const pool = packetPool(32);
const burst = new net.PacketBurst(32);

/** Resolves when what is under way has happened: answers have gone out. */
export function nextTurn(): Promise<void> {
  return turns(1);
}

/** One connection, its device, and an application that moves packets. */
export class FuzzedBackend {
  readonly stream: FakeStream;
  over = false;
  readonly #log: FuzzLog;
  readonly #served: ServedDevice;
  readonly #device: VhostDevice;
  readonly #connection: BackendConnection;
  #wrong: string | undefined;

  /** @param room answers that the frontend's socket holds; nobody reads them. Default: all. */
  constructor(log: FuzzLog, room = Number.POSITIVE_INFINITY) {
    this.stream = new FakeStream(room);
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
        new DeviceConfigSpace(() => ({
          mac: '02:00:00:00:00:01',
          linkUp: true,
          mtu: 1500,
          maxPairs: queuePairs,
        })),
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
    await nextTurn();
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
