import { writeAsync } from '@vio/native/internal';
import type { KernelRegion } from '../vhost-requests.ts';

const VHOST_IOTLB_MSG_V2 = 2;
const VHOST_ACCESS_RW = 3;

/** Kinds of IOTLB messages (linux/vhost_types.h). */
const UPDATE = 2;
const INVALIDATE = 3;
const BATCH_BEGIN = 5;
const BATCH_END = 6;

/** `struct vhost_msg_v2`: type, address space, and room for the message. */
const messageBytes = 72;

/** The table by which a device reaches memory: I/O addresses, and what is there in this process. */
export class VdpaIotlb {
  readonly #batched: boolean;
  #mapped: KernelRegion[] = [];

  /** @param batched the kernel takes several messages as one change (VHOST_BACKEND_F_IOTLB_BATCH) */
  constructor(batched: boolean) {
    this.#batched = batched;
  }

  /**
   * Makes the device see these regions and no others. After a failure it sees those that could be mapped.
   * @throws VioError VIO_MEMORY_LOCK, VIO_VDPA_IOVA_RANGE
   */
  async replace(fd: number, regions: readonly KernelRegion[]): Promise<void> {
    if (this.#batched) await this.#send(fd, BATCH_BEGIN);
    try {
      for (const region of this.#mapped) await this.#send(fd, INVALIDATE, region);
      this.#mapped = [];
      for (const region of regions) {
        await this.#send(fd, UPDATE, region);
        this.#mapped.push(region);
      }
    } finally {
      if (this.#batched) await this.#send(fd, BATCH_END);
    }
  }

  async #send(fd: number, kind: number, region?: KernelRegion): Promise<void> {
    const view = new DataView(new ArrayBuffer(messageBytes));
    view.setUint32(0, VHOST_IOTLB_MSG_V2, true);
    view.setBigUint64(8, region?.guestAddress ?? 0n, true);
    view.setBigUint64(16, region?.size ?? 0n, true);
    view.setBigUint64(24, region?.userAddress ?? 0n, true);
    view.setUint8(32, VHOST_ACCESS_RW);
    view.setUint8(33, kind);
    const what = kind === INVALIDATE ? 'take memory back from the device' : 'share memory with the device';
    await writeAsync(fd, new Uint8Array(view.buffer), what, {
      ENOMEM: {
        code: 'VIO_MEMORY_LOCK',
        remedy: 'the device needs the memory locked: raise RLIMIT_MEMLOCK (ulimit -l, or LimitMEMLOCK=)',
      },
      EEXIST: { code: 'VIO_VHOST_REGIONS', remedy: 'regions must not overlap in their guest addresses' },
    });
  }
}
