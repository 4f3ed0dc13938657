import { SharedMemory } from '@vio/native';
import { bufferAddress, pageBytes, wholePages } from '@vio/native/internal';
import { type VdpaFrontend, type VdpaRing } from '@vio/vhost';
import type { TranslatedAccess } from '../access/pci-access.ts';
import type { QueuePlace } from '../device/virtio-pci-device.ts';

/**
 * The memory of a frontend as a card sees it: by guest addresses. Behind it are memory of this side's, and a second view of a ring that
 * begins at address 0, which a card takes for no ring at all.
 */
export class IovaSpace implements Disposable {
  readonly #access: TranslatedAccess;
  readonly #unmap: (() => void)[] = [];
  readonly #own: SharedMemory[] = [];
  readonly #regions: VdpaFrontend['regions'];
  /** What is not in use yet. */
  #free: bigint;

  /** @throws VioError VIO_MEMORY_LOCK, VIO_PCI_DMA */
  constructor(access: TranslatedAccess, { regions }: VdpaFrontend) {
    this.#access = access;
    this.#regions = regions;
    this.#free = regions.reduce((most, { guestAddress, size }) => {
      const end = guestAddress + size;
      return end > most ? end : most;
    }, BigInt(pageBytes));
    try {
      for (const { userAddress, guestAddress, size } of regions)
        this.#unmap.push(access.map(userAddress, guestAddress, size));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Memory of this side's. @returns it, and the address by which the card knows it */
  allocate(bytes: number): { readonly buffer: ArrayBuffer; readonly address: bigint } {
    const memory = SharedMemory.create({ size: bytes, name: 'vio-vdpa-control' });
    this.#own.push(memory);
    return {
      buffer: memory.buffer,
      address: this.#map(bufferAddress(memory.buffer), BigInt(memory.size)),
    };
  }

  /** Where a card is to look for a ring. */
  placeOf({ size, descriptors, driver, device }: VdpaRing): QueuePlace {
    if (descriptors !== 0n) return { size, descriptors, driver, device };
    const first = this.#regions.find(({ guestAddress }) => guestAddress === 0n);
    if (first === undefined) return { size, descriptors, driver, device };
    return { size, descriptors: this.#map(first.userAddress, BigInt(wholePages(16 * size))), driver, device };
  }

  /** The card must not use any of it any more. */
  [Symbol.dispose](): void {
    for (const unmap of this.#unmap.splice(0)) unmap();
    for (const memory of this.#own.splice(0)) memory.close();
  }

  #map(userAddress: bigint, bytes: bigint): bigint {
    const address = this.#free;
    this.#unmap.push(this.#access.map(userAddress, address, bytes));
    this.#free += bytes;
    return address;
  }
}
