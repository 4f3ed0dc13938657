import { EventFd, SharedMemory } from '@vio/native';
import { bufferAddress } from '@vio/native/internal';
import { ControlQueue } from '@vio/net/internal';
import { Region, type RingFeatures } from '@vio/rings';
import type { KernelRegion } from '../vhost-requests.ts';
import * as vdpa from './vdpa-ioctls.ts';

export interface VdpaControlOptions {
  /** Of the device. */
  readonly fd: number;
  /** Which virtqueue it is: the device's last. */
  readonly index: number;
  /** Where its memory appears to the device, a multiple of the page size. */
  readonly iova: number;
  readonly features: RingFeatures;
}

/** A vDPA device's control queue, in memory of its own that no port sees. */
export class VdpaControl implements Disposable {
  /** For the IOTLB. */
  readonly memory: KernelRegion;
  readonly queue: ControlQueue;
  readonly #options: VdpaControlOptions;
  readonly #shared: SharedMemory;
  readonly #kick: EventFd;

  constructor(options: VdpaControlOptions) {
    const { iova, features } = options;
    this.#options = options;
    this.#shared = SharedMemory.create({ size: ControlQueue.bytes(features), name: 'vio-vdpa-control' });
    try {
      this.#kick = EventFd.create();
    } catch (error) {
      this.#shared.close();
      throw error;
    }
    this.memory = {
      guestAddress: BigInt(iova),
      size: BigInt(this.#shared.size),
      userAddress: bufferAddress(this.#shared.buffer),
    };
    const region = new Region(this.#shared.buffer);
    this.queue = new ControlQueue({ region, offset: 0, features, address: iova, kick: this.#kick });
  }

  /** Hands the ring to the device, before DRIVER_OK. */
  async start(): Promise<void> {
    const { fd, index, iova } = this.#options;
    const { size, base, addresses } = this.queue.ring;
    await vdpa.setVringNum(fd, index, size);
    await vdpa.setVringBase(fd, index, base);
    await vdpa.setVringAddr(fd, index, {
      descriptors: iova + addresses.descriptors,
      driver: iova + addresses.driver,
      device: iova + addresses.device,
    });
    await vdpa.setVringEvent(fd, 'kick', index, this.#kick.fd);
    await vdpa.setVringEnable(fd, index, true);
  }

  [Symbol.dispose](): void {
    this.queue.close();
    this.#kick.close();
    this.#shared.close();
  }
}
