import { basename } from 'node:path';
import { ChainBurst } from '@vio/rings';
import { type RawVring, type VhostDevice, VhostDriver, rawRingFeatures } from '@vio/vhost';
import * as blk from './blk-layout.ts';
import { BlkRequests } from './blk-requests.ts';
import { DiskImage } from './disk-image.ts';

/** Bytes moved for one ring until others have their turn. */
const bytesPerTurn = 1 << 25;

export interface BlkOptions {
  readonly readOnly?: boolean;
  /** Rings, default 1. */
  readonly queues?: number;
}

/** A file as a disk on a vhost-user socket. */
export class BlkDevice implements AsyncDisposable {
  readonly driver: VhostDriver;
  readonly #image: DiskImage;
  /** For all rings: chains are carried out one burst after the other. */
  readonly #chains = new ChainBurst(32);

  private constructor(driver: VhostDriver, image: DiskImage) {
    this.driver = driver;
    this.#image = image;
  }

  static async start(
    socket: string,
    path: string,
    { readOnly = false, queues = 1 }: BlkOptions = {},
  ): Promise<BlkDevice> {
    const image = new DiskImage(path, readOnly);
    try {
      return await BlkDevice.#register(socket, path, image, queues);
    } catch (error) {
      image[Symbol.dispose]();
      throw error;
    }
  }

  static async #register(socket: string, path: string, image: DiskImage, queues: number): Promise<BlkDevice> {
    const driver = VhostDriver.register(socket, {
      type: {
        name: 'block',
        id: blk.VIRTIO_ID_BLOCK,
        queues,
        features:
          rawRingFeatures |
          blk.VIRTIO_BLK_F_SIZE_MAX |
          blk.VIRTIO_BLK_F_SEG_MAX |
          blk.VIRTIO_BLK_F_BLK_SIZE |
          blk.VIRTIO_BLK_F_FLUSH |
          (image.readOnly ? blk.VIRTIO_BLK_F_RO : blk.VIRTIO_BLK_F_DISCARD | blk.VIRTIO_BLK_F_WRITE_ZEROES) |
          (queues > 1 ? blk.VIRTIO_BLK_F_MQ : 0n),
        config: () => blk.encodeBlkConfig(image.sectors, queues),
      },
    });
    const device = new BlkDevice(driver, image);
    driver.callbacks({
      vringStateChanged: (connected, ring, enabled) => {
        if (enabled) device.#serve(connected, ring, basename(path));
      },
    });
    await driver.start();
    return device;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.driver.close();
    this.#image[Symbol.dispose]();
  }

  #serve(device: VhostDevice, ring: number, id: string): void {
    const requests = new BlkRequests(this.#image, id, device.features);
    device.rawVring(ring)?.onKick((vring: RawVring) => {
      const chains = this.#chains;
      const count = vring.fetch(chains);
      let done = 0;
      for (requests.moved = 0; done < count && requests.moved < bytesPerTurn; done++) {
        chains.written[done] = requests.execute(vring.bytes, chains, done);
      }
      // The rest is fetched again when others have had their turn.
      vring.unfetch(chains, count - done);
      vring.complete(chains);
    });
  }
}
