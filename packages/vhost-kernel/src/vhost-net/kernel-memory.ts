import { readFileSync } from 'node:fs';
import { SharedMemory, VioError } from '@vio/native';
import { bufferAddress } from '@vio/native/internal';
import type { SharedRegion, VringUserAddresses } from '@vio/vhost';
import type { KernelRegion, KernelRing } from '../vhost-requests.ts';

/** The kernel's default where it does not say. */
const defaultRegions = 64;

/** Regions vhost takes at most (parameter max_mem_regions of the module). */
export function maxRegions(): number {
  try {
    return Number(readFileSync('/sys/module/vhost/parameters/max_mem_regions', 'utf8'));
  } catch {
    return defaultRegions;
  }
}

/** The shared regions in this process: the kernel is told addresses, not descriptors. */
export class KernelMemory implements Disposable {
  readonly regions: readonly KernelRegion[];
  readonly #shared: readonly SharedRegion[];
  readonly #mappings: readonly SharedMemory[];

  constructor(shared: readonly SharedRegion[]) {
    const mappings: SharedMemory[] = [];
    try {
      for (const { fd, mmapOffset, size } of shared) {
        mappings.push(SharedMemory.map(fd, { offset: mmapOffset, size, populate: false }));
      }
    } catch (error) {
      for (const mapping of mappings) mapping.close();
      throw error;
    }
    this.#shared = shared;
    this.#mappings = mappings;
    this.regions = shared.map(({ guestAddress, size }, i) => ({
      guestAddress: BigInt(guestAddress),
      size: BigInt(size),
      userAddress: bufferAddress(mappings[i].buffer),
    }));
  }

  /** @throws VioError VIO_VHOST_RING when a part of the ring is in none of the regions */
  ring({ descriptors, driver, device }: VringUserAddresses): KernelRing {
    const [d, avail, used] = [descriptors, driver, device].map((address) => this.#locate(address));
    return { descriptors: d, avail, used };
  }

  /** The address by which descriptors know the byte at a user address. @throws VioError VIO_VHOST_RING */
  guestAddress(userAddress: number): number {
    const region = this.#shared[this.#find(userAddress)];
    return region.guestAddress + (userAddress - region.userAddress);
  }

  [Symbol.dispose](): void {
    for (const mapping of this.#mappings) mapping.close();
  }

  #locate(address: number): bigint {
    const i = this.#find(address);
    return this.regions[i].userAddress + BigInt(address - this.#shared[i].userAddress);
  }

  #find(address: number): number {
    const i = this.#shared.findIndex((r) => address >= r.userAddress && address < r.userAddress + r.size);
    if (i === -1) {
      throw new VioError(`a ring at 0x${address.toString(16)} is in none of the shared regions`, {
        code: 'VIO_VHOST_RING',
        remedy: 'share the memory (setMemTable) before the rings in it',
      });
    }
    return i;
  }
}
