import {
  type CryptoEngine,
  type VhostDevice,
  VhostDriver,
  cryptoCreate,
  cryptoDeviceType,
  cryptoFetchRequests,
  cryptoFinalizeRequests,
  cryptoFree,
  cryptoPerform,
  cryptoSetZeroCopy,
  cryptoStats,
  nodeCryptoEngine,
} from '@vio/vhost';

/** How a crypto card is served. */
export interface CryptoCardOptions {
  /** Who carries operations out. Default: OpenSSL, by node:crypto. */
  readonly engine?: CryptoEngine;
  /** Data queues, default 1. */
  readonly queues?: number;
  /** Work in the guest's memory. Default false. */
  readonly zeroCopy?: boolean;
  /** Told what a guest has had done when it goes. */
  readonly onGone?: (requests: number, refused: number) => void;
}

/** A crypto card on a vhost-user socket. */
export class CryptoCard implements AsyncDisposable {
  readonly driver: VhostDriver;

  private constructor(driver: VhostDriver) {
    this.driver = driver;
  }

  static async start(socket: string, options: CryptoCardOptions = {}): Promise<CryptoCard> {
    const { engine = nodeCryptoEngine, queues = 1, zeroCopy = false, onGone } = options;
    const driver = VhostDriver.register(socket, { type: cryptoDeviceType(engine, { queues }) });
    driver.callbacks({
      newConnection: (device) => {
        cryptoCreate(device, engine);
        cryptoSetZeroCopy(device, zeroCopy);
      },
      vringStateChanged: (device, queue, enabled) => {
        if (enabled) serve(device, queue);
      },
      destroyConnection: (device) => {
        const { requests, refused } = cryptoStats(device);
        cryptoFree(device);
        onGone?.(requests, refused);
      },
    });
    await driver.start();
    return new CryptoCard(driver);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
  }
}

/** Carries out what comes on a queue, whenever the guest kicks it. */
function serve(device: VhostDevice, queue: number): void {
  device.rawVring(queue)?.onKick(() => {
    const operations = cryptoFetchRequests(device, queue);
    const later = cryptoPerform(operations);
    if (later === undefined) cryptoFinalizeRequests(operations);
    // An engine that takes its time has the next requests meanwhile.
    else void later.then(() => cryptoFinalizeRequests(operations));
  });
}
