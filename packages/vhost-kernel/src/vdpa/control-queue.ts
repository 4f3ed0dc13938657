import { setTimeout as sleep } from 'node:timers/promises';
import { EventFd, SharedMemory, VioError, bufferAddress } from '@vio/native';
import {
  type CommandQueue,
  Region,
  type RingFeatures,
  createCommandQueue,
  driverQueueBytes,
} from '@vio/rings';
import type { KernelRegion } from '../vhost-net/vhost-ioctls.ts';
import * as vdpa from './vdpa-ioctls.ts';

/** Classes and commands (virtio 1.4, section 5.1.6.5). */
const VIRTIO_NET_CTRL_MAC = 1;
const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
const VIRTIO_NET_CTRL_MQ = 4;
const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
const VIRTIO_NET_OK = 0;

/** Commands go one by one: the smallest ring does that a device may insist on. */
const ringSize = 16;
const answerBytes = 1;
const pollMilliseconds = 1;

export interface ControlQueueOptions {
  /** Of the device. */
  readonly fd: number;
  /** Which virtqueue it is: the device's last. */
  readonly index: number;
  /** Where its memory appears to the device, a multiple of the page size. */
  readonly iova: number;
  readonly features: RingFeatures;
}

/** A device's control queue, in memory of its own that no port sees. */
export class ControlQueue implements Disposable {
  /** For the IOTLB. */
  readonly memory: KernelRegion;
  readonly #options: ControlQueueOptions;
  readonly #shared: SharedMemory;
  readonly #region: Region;
  readonly #queue: CommandQueue;
  readonly #kick: EventFd;
  /** Where a command is put, behind the ring. */
  readonly #command: number;

  constructor(options: ControlQueueOptions) {
    const { iova, features } = options;
    this.#options = options;
    this.#command = driverQueueBytes(features, ringSize);
    this.#shared = SharedMemory.create({ size: this.#command + 4096, name: 'vio-vdpa-control' });
    this.#region = new Region(this.#shared.buffer);
    this.memory = {
      guestAddress: BigInt(iova),
      size: BigInt(this.#shared.size),
      userAddress: bufferAddress(this.#shared.buffer),
    };
    this.#queue = createCommandQueue({
      region: this.#region,
      offset: 0,
      size: ringSize,
      features,
      address: iova,
    });
    try {
      this.#kick = EventFd.create();
    } catch (error) {
      this.#shared.close();
      throw error;
    }
  }

  /** Hands the ring to the device, before DRIVER_OK. */
  async start(): Promise<void> {
    const { fd, index, iova } = this.#options;
    const { descriptors, driver, device } = this.#queue.addresses;
    await vdpa.setVringNum(fd, index, ringSize);
    await vdpa.setVringBase(fd, index, this.#queue.base);
    await vdpa.setVringAddr(fd, index, {
      descriptors: iova + descriptors,
      driver: iova + driver,
      device: iova + device,
    });
    await vdpa.setVringEvent(fd, 'kick', index, this.#kick.fd);
    await vdpa.setVringEnable(fd, index, true);
  }

  /** Has the device use so many queue pairs. @param goOn false ends the wait for an answer */
  setPairs(pairs: number, goOn: () => boolean): Promise<void> {
    const what = `use ${pairs} queue pairs`;
    const data = [pairs & 0xff, pairs >>> 8];
    return this.#send(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, data, what, goOn);
  }

  /** Gives the device an address of six bytes. */
  setMac(mac: string, goOn: () => boolean): Promise<void> {
    const data = mac.split(':').map((byte) => Number.parseInt(byte, 16));
    const what = `have the address ${mac}`;
    return this.#send(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, data, what, goOn);
  }

  [Symbol.dispose](): void {
    this.#kick.close();
    this.#shared.close();
  }

  async #send(
    controlClass: number,
    command: number,
    data: readonly number[],
    what: string,
    goOn: () => boolean,
  ): Promise<void> {
    const at = this.#command;
    const answerAt = at + 2 + data.length;
    this.#region.u8.set([controlClass, command, ...data, 0xff], at);
    this.#queue.submit([
      { offset: at, length: 2, deviceWrites: false },
      { offset: at + 2, length: data.length, deviceWrites: false },
      { offset: answerAt, length: answerBytes, deviceWrites: true },
    ]);
    this.#kick.signal();
    while (this.#queue.poll() === 'waiting' && goOn()) await sleep(pollMilliseconds);
    const state = this.#queue.poll();
    if (state === 'done' && this.#region.u8[answerAt] === VIRTIO_NET_OK) return;
    const why = {
      done: 'it says no',
      broken: 'its control queue is broken',
      waiting: 'it did not answer',
      idle: '',
    };
    throw new VioError(`the device does not ${what}: ${why[state]}`, {
      code: 'VIO_VDPA_CONTROL',
      remedy: 'see what the device offers with `vdpa dev config show`, and ask for no more',
    });
  }
}
