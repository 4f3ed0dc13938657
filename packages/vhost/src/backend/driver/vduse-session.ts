import { VioError } from '@vio/native';
import { callApplication, throwLater } from '@vio/native/internal';
import { VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ } from '@vio/net';
import { networkCard } from '@vio/net/internal';
import { VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_RING_RESET } from '@vio/rings';
import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_MQ,
} from '../../wire/index.ts';
import { controlFeatures, hashFeatures } from '../type/device-features.ts';
import type { DeviceShape } from '../type/device-shape.ts';
import { ServedDevice } from '../device/served-device.ts';
import type { ServingOptions } from '../device/serving-options.ts';
import { VhostDevice } from '../device/vhost-device.ts';
import type { DeviceOffer } from '../offer/device-offer.ts';
import type { WatchedDevices } from '../telemetry/watched-devices.ts';
import { VduseDevice } from '../vduse/vduse-device.ts';
import { vduseError } from '../vduse/vduse-errors.ts';
import type { VduseConfig } from '../vduse/vduse-ioctls.ts';
import { VduseNode, vduseDirectory } from '../vduse/vduse-node.ts';
import { VduseState } from '../vduse/vduse-state.ts';
import { caller, deviceListener, nextVid } from './device-callbacks.ts';
import type { VhostCallbacks } from './vhost-callbacks.ts';

/** Descriptors of a queue at most: with more, packets of 64 KiB that wait could use the bounce buffer up. */
const queueSize = 256;
/** Of the kernel's bounce buffer: so much for each pair of rings, within what a kernel takes. Pages come when they are used. */
const bounceBytes = { pair: 64 << 20, most: 1 << 30 };
/** What only vhost-user has, and what the vdpa bus has no call for. */
const notOnBus = VHOST_USER_F_PROTOCOL_FEATURES | VHOST_F_LOG_ALL | VIRTIO_F_RING_RESET;
/** What a card without a control queue does not offer. */
const withControlQueue = controlFeatures | hashFeatures | VIRTIO_NET_F_MQ;

/** What a device on the vdpa bus is, and who hears of it. */
export interface VduseSessionOptions {
  readonly path: string;
  readonly offer: DeviceOffer;
  /** Of virtio's device types; undefined: a network card. */
  readonly id: number | undefined;
  readonly callbacks: () => VhostCallbacks;
  readonly serving: ServingOptions;
  readonly watched: WatchedDevices;
  /** Where the files are that a successor goes on with. */
  readonly stateDirectory: string;
  /** It has ended by itself. */
  readonly onEnd: (reason: VioError) => void;
}

/** A device on the kernel's vdpa bus, which this process serves: what a connection is to a vhost-user device. */
export class VduseSession {
  readonly #options: VduseSessionOptions;
  readonly #served: ServedDevice;
  readonly #node: VduseNode;
  readonly #state: VduseState;
  readonly #vduse: VduseDevice;
  readonly #device: VhostDevice;
  #failure: VioError | undefined;
  #ended = false;

  /** @throws VioError VIO_VDUSE_* */
  constructor(options: VduseSessionOptions) {
    this.#options = options;
    const { path, offer, id, callbacks, serving, watched } = options;
    const name = path.slice(vduseDirectory.length);
    const shape = offer.shape(() => 0n);
    const failed = (error: unknown): void => this.#failed(error);
    const call = caller(() => served, callbacks, failed);
    const served = new ServedDevice(
      nextVid(),
      path,
      deviceListener({
        served: () => served,
        device: () => device,
        callbacks,
        watched,
        giveUp: (reason) => queueMicrotask(() => this.#lost(reason)),
        failed,
      }),
      shape,
      serving,
    );
    // Rings that its driver does not use are drained, as those of frontends that know queue pairs.
    served.protocolFeatures = VHOST_USER_PROTOCOL_F_MQ;
    const device = new VhostDevice(served);
    const offers = configsOf(name, offer.deviceFeatures(), id, shape);
    const [{ queues }] = offers;
    this.#served = served;
    this.#device = device;
    this.#state = new VduseState(options.stateDirectory, name, queues, queueSize);
    try {
      this.#node = new VduseNode(
        offers,
        Math.min(bounceBytes.most, Math.ceil(queues / 2) * bounceBytes.pair),
      );
    } catch (error) {
      this.#state[Symbol.dispose]();
      served.close();
      throw error;
    }
    const node = this.#node;
    const refused = (error: unknown): void => {
      if (VioError.is(error)) call((to) => to.refused?.(device, error));
      else failed(error);
    };
    served.config.setChannel({
      configChanged: () => {
        try {
          node.setSpace(served.config.space());
          return Promise.resolve(true);
        } catch (error) {
          refused(error);
          return Promise.resolve(false);
        }
      },
      [Symbol.dispose]: () => {},
    });
    this.#vduse = new VduseDevice(node, served, this.#state, node.offer, {
      refused,
      gone: (reason) => this.#lost(reason),
    });
    call((to) => to.newConnection?.(device));
    if (node.offer !== offers[0]) refused(withoutControl(name));
    // What it says of itself may be other than what a predecessor has said.
    if (node.found) void served.config.changed();
    this.#vduse.begin();
  }

  /** What devices say of themselves has changed. */
  configChanged(): void {
    void this.#served.config.changed();
  }

  /** The device is not served any more; who comes next goes on with it. Idempotent. */
  end(reason: VioError): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#failure !== undefined && this.#failure !== reason) throwLater(this.#failure.cause);
    this.#vduse.end();
    if (this.#node.close()) this.#state.remove();
    this.#state[Symbol.dispose]();
    const { callbacks } = this.#options;
    if (callbacks().destroyConnection !== undefined)
      callApplication(() => callbacks().destroyConnection?.(this.#device, reason));
    else if (reason.code === 'VIO_VHOST_INTERNAL') throwLater(reason.cause);
  }

  #lost(reason: VioError): void {
    if (this.#ended) return;
    this.end(reason);
    this.#options.onEnd(reason);
  }

  #failed(error: unknown): void {
    if (this.#ended || this.#failure !== undefined) return throwLater(error);
    const failure = new VioError('serving a VDUSE device failed', {
      code: 'VIO_VHOST_INTERNAL',
      remedy:
        'see the cause: a callback of the application threw, or else this is a defect of vio to be reported',
      cause: error,
    });
    this.#failure = failure;
    queueMicrotask(() => this.#lost(failure));
  }
}

/** What the kernel is offered: first all there is, then what a kernel takes that has no cards with a control queue. */
function configsOf(
  name: string,
  features: bigint,
  id: number | undefined,
  shape: DeviceShape,
): readonly VduseConfig[] {
  const all = (features & ~notOnBus) | VIRTIO_F_ACCESS_PLATFORM;
  const control = (all & VIRTIO_NET_F_CTRL_VQ) === 0n ? 0 : 1;
  const config: VduseConfig = {
    name,
    deviceId: id ?? networkCard,
    features: all,
    queues: id === undefined ? 2 * shape.queuePairs + control : shape.rings,
    queueSize,
    space: shape.config.space(),
  };
  if (id !== undefined || control === 0) return [config];
  return [config, { ...config, features: all & ~withControlQueue, queues: 2 }];
}

function withoutControl(name: string): VioError {
  return vduseError(
    'REFUSED',
    `the kernel takes no network card with a control queue: ${name} has one queue pair and none`,
  );
}
