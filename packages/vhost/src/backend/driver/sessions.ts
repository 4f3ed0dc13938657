import type { UnixStream, VioError } from '@vio/native';
import { callApplication, throwLater } from '@vio/native/internal';
import { ServedDevice } from '../device/served-device.ts';
import type { ServingOptions } from '../device/serving-options.ts';
import { VhostDevice } from '../device/vhost-device.ts';
import { caller, deviceListener, during, nextVid } from './device-callbacks.ts';
import { noDescriptors } from './driver-errors.ts';
import type { DeviceOffer } from '../offer/device-offer.ts';
import { BackendConnection } from '../protocol/connection.ts';
import { type ExternHandlers, bindExternHandlers } from '../protocol/extern-handlers.ts';
import type { HandlerContext } from '../protocol/handler.ts';
import { RegionClaims } from '../protocol/region-claims.ts';
import type { WatchedDevices } from '../telemetry/watched-devices.ts';
import { VdpaOffer } from '../offer/vdpa-offer.ts';
import type { VdpaDevice } from '../vdpa/vdpa-device.ts';
import type { VhostCallbacks } from './vhost-callbacks.ts';

/** One frontend: its connection, and the device that it builds up. */
interface Session {
  readonly connection: BackendConnection;
  readonly served: ServedDevice;
  /** The device is taken down; answers that are owed may still be on their way. */
  ended: boolean;
}

/** The frontends that are connected to one socket. */
export class Sessions {
  readonly #path: string;
  readonly #offer: DeviceOffer;
  readonly #callbacks: () => VhostCallbacks;
  readonly #extern: () => ExternHandlers<VhostDevice>;
  readonly #patience: number;
  readonly #serving: ServingOptions;
  readonly #withheld: bigint;
  readonly #watched: WatchedDevices;
  /** What works on the rings of frontends that connect from now on; undefined: this process. */
  vdpa: VdpaDevice | undefined;
  /** From the oldest to the newest. */
  readonly #all = new Set<Session>();

  /**
   * @param patience milliseconds, see `BackendConnection`
   * @param withheld protocol features that are not offered
   */
  constructor(
    path: string,
    offer: DeviceOffer,
    callbacks: () => VhostCallbacks,
    extern: () => ExternHandlers<VhostDevice>,
    patience: number,
    serving: ServingOptions,
    withheld: bigint,
    watched: WatchedDevices,
  ) {
    this.#path = path;
    this.#offer = offer;
    this.#callbacks = callbacks;
    this.#extern = extern;
    this.#patience = patience;
    this.#serving = serving;
    this.#withheld = withheld;
    this.#watched = watched;
  }

  /** Frontends that are there. */
  get count(): number {
    return this.#live().length;
  }

  /** What devices say of themselves has changed. */
  configChanged(): void {
    for (const { served } of this.#live()) void served.config.changed();
  }

  /** Resolves when everything that is owed to the frontends is sent, and they are gone. */
  async end(reason: VioError): Promise<void> {
    await Promise.all(Array.from(this.#all, (session) => endOf(session, reason)));
  }

  /** The same for those that a vDPA device works for. Resolves when it has let go of them. */
  async endVdpa(device: VdpaDevice, reason: VioError): Promise<void> {
    const those = Array.from(this.#all).filter(({ served }) => served.vdpa?.device === device);
    await Promise.all(those.map((session) => endOf(session, reason)));
  }

  /** Takes a frontend. @param onEnd it is gone */
  serve(stream: UnixStream, onEnd: () => void = () => {}): void {
    const { vdpa } = this;
    const offer = vdpa === undefined ? this.#offer : new VdpaOffer(this.#offer, vdpa);
    const extern = this.#extern;
    const shape = offer.shape(() => served.protocolFeatures);
    const failed = (error: unknown): void => connection.applicationFailed(error);
    const call = caller(() => served, this.#callbacks, failed);
    const served = new ServedDevice(
      nextVid(),
      this.#path,
      deviceListener({
        served: () => served,
        device: () => device,
        callbacks: this.#callbacks,
        watched: this.#watched,
        giveUp: (reason) => queueMicrotask(() => void connection.end(reason)),
        failed,
      }),
      shape,
      { ...this.#serving, vdpa },
    );
    const device = new VhostDevice(served);
    const context: HandlerContext = {
      device: served,
      claims: new RegionClaims(),
      offered: offer.deviceFeatures(),
      offeredProtocol: offer.protocolFeatures() & ~this.#withheld,
      get queueNum() {
        return shape.queueNum;
      },
      get rings() {
        return shape.rings;
      },
      get extern() {
        return bindExternHandlers(extern(), device, (callback) => during(served, callback));
      },
      announced: (mac: string) => call((to) => to.announced?.(device, mac)),
    };
    const listener = {
      refused: (reason: VioError) => call((to) => to.refused?.(device, reason)),
      exhausted: (reason: VioError, first: boolean) => {
        if (first) call((to) => to.exhausted?.(device, reason));
        this.#makeRoom();
      },
      ended: (reason: VioError) => {
        session.ended = true;
        callApplication(() => served.close());
        if (this.#callbacks().destroyConnection !== undefined)
          call((to) => to.destroyConnection?.(device, reason));
        else if (reason.code === 'VIO_VHOST_INTERNAL') throwLater(reason.cause);
        void connection
          .end(reason)
          .then(() => served.released)
          .then(() => this.#all.delete(session))
          .then(onEnd);
      },
    };
    const connection = new BackendConnection(stream, context, listener, this.#patience);
    const session: Session = { connection, served, ended: false };
    this.#all.add(session);
    call((to) => to.newConnection?.(device));
  }

  #live(): Session[] {
    return Array.from(this.#all).filter(({ ended }) => !ended);
  }

  /** For a request that waits for descriptors: the newest connection that serves nobody makes room. */
  #makeRoom(): void {
    const idle = this.#live().filter(({ served }) => !served.running);
    void idle.at(-1)?.connection.end(noDescriptors());
  }
}

async function endOf({ connection, served }: Session, reason: VioError): Promise<void> {
  await connection.end(reason);
  await served.released;
}
