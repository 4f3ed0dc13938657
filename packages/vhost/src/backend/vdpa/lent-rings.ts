import { SharedMemory } from '@vio/native';
import { bufferAddress, pageBytes, wholePages } from '@vio/native/internal';
import { MemoryMap, Region } from '@vio/rings';
import { ForwardingRing } from '@vio/rings/internal';
import type { DriverMemory } from '../vring/driver-memory.ts';
import type { LentRing } from '../vring/ring-view.ts';
import type { Vring } from '../vring/vring.ts';
import { RelayedRing } from './relayed-ring.ts';
import type { VdpaRegion, VdpaRing } from './vdpa-device.ts';
import { unaligned } from './vdpa-errors.ts';

/** What a device is given to work on. */
export interface LentRings extends Disposable {
  readonly regions: readonly VdpaRegion[];
  readonly memory: MemoryMap;
  readonly rings: readonly VdpaRing[];
  /** Those through which buffers are passed on, by number; none of `rings` is direct then. */
  readonly relays: readonly RelayedRing[];
}

/** The frontend's regions, where they are in this process. @throws VioError VIO_VDPA_MEMORY */
function regionsOf(memory: DriverMemory): VdpaRegion[] {
  return memory.here().map(({ announced: { guestAddress, size }, address }) => {
    const whole = [guestAddress, size, Number(address % BigInt(pageBytes))];
    if (whole.some((value) => value % pageBytes !== 0)) throw unaligned(guestAddress, size);
    return { guestAddress: BigInt(guestAddress), size: BigInt(size), userAddress: address };
  });
}

/** The driver's own rings. @throws VioError VIO_VDPA_MEMORY */
export function directly(
  memory: DriverMemory,
  rings: readonly { readonly vring: Vring; readonly lent: LentRing }[],
): LentRings {
  return {
    regions: regionsOf(memory),
    memory: memory.map,
    rings: rings.map(({ vring, lent }) => new DirectRing(vring, lent)),
    relays: [],
    [Symbol.dispose]() {},
  };
}

/**
 * Rings of this side's, behind the driver's memory, from their start on. @param onNonsense a device used what it was not given
 * @throws VioError VIO_VDPA_MEMORY
 */
export function byRelay(
  memory: DriverMemory,
  vrings: readonly Vring[],
  onNonsense: (index: number) => void,
): LentRings {
  const regions = regionsOf(memory);
  const sizes = vrings.map(({ size }) => 2 ** Math.ceil(Math.log2(size)));
  const bytes = sizes.reduce((sum, size) => sum + wholePages(ForwardingRing.bytes(size)), 0);
  const ends = regions.map(({ guestAddress, size }) => Number(guestAddress + size));
  // No ring at address 0, which devices take for none.
  const address = Math.max(pageBytes, ...ends);
  const shared = SharedMemory.create({ size: bytes, name: 'vio-vdpa-rings' });
  const region = new Region(shared.buffer);
  const made: RelayedRing[] = [];
  try {
    let offset = 0;
    for (const [i, { index }] of vrings.entries()) {
      made.push(
        new RelayedRing(index, new ForwardingRing(region, offset, sizes[i]), () => onNonsense(index)),
      );
      offset += wholePages(ForwardingRing.bytes(sizes[i]));
    }
  } catch (error) {
    for (const relay of made) relay[Symbol.dispose]();
    shared.close();
    throw error;
  }
  const own = { region, guestAddress: address, userAddress: 0, size: shared.size };
  return {
    regions: [
      ...regions,
      {
        guestAddress: BigInt(address),
        size: BigInt(shared.size),
        userAddress: bufferAddress(shared.buffer),
      },
    ],
    memory: new MemoryMap([...memory.map.windows, own]),
    rings: made.map((relay, i) => new PassedRing(vrings[i], relay, BigInt(address))),
    relays: made,
    [Symbol.dispose]() {
      for (const relay of made) relay[Symbol.dispose]();
      shared.close();
    },
  };
}

/** A ring as it lies in the driver's memory. */
class DirectRing implements VdpaRing {
  readonly index: number;
  readonly size: number;
  readonly base: number;
  readonly descriptors: bigint;
  readonly driver: bigint;
  readonly device: bigint;
  readonly direct = true;
  readonly #vring: Vring;

  constructor(vring: Vring, lent: LentRing) {
    this.#vring = vring;
    this.index = vring.index;
    this.size = vring.size;
    this.base = lent.base;
    this.descriptors = BigInt(lent.descriptors);
    this.driver = BigInt(lent.driver);
    this.device = BigInt(lent.device);
  }

  get enabled(): boolean {
    return this.#vring.enabled;
  }

  get kickFd(): number | undefined {
    return this.#vring.kicks.eventFd;
  }

  get callFd(): number | undefined {
    return this.#vring.calls.eventFd;
  }

  onKick(listener: () => void): () => void {
    return this.#vring.kicks.listen(listener);
  }

  call(): void {
    this.#vring.calls.signal();
  }
}

/** One of this side's, in the place of the driver's. */
class PassedRing implements VdpaRing {
  readonly index: number;
  readonly size: number;
  readonly base = 0;
  readonly descriptors: bigint;
  readonly driver: bigint;
  readonly device: bigint;
  readonly direct = false;
  readonly #vring: Vring;
  readonly #relay: RelayedRing;

  constructor(vring: Vring, relay: RelayedRing, address: bigint) {
    this.#vring = vring;
    this.#relay = relay;
    const { size, addresses } = relay.ring;
    this.index = vring.index;
    this.size = size;
    this.descriptors = address + BigInt(addresses.descriptors);
    this.driver = address + BigInt(addresses.driver);
    this.device = address + BigInt(addresses.device);
  }

  get enabled(): boolean {
    return this.#vring.enabled;
  }

  get kickFd(): number {
    return this.#relay.kickFd;
  }

  get callFd(): number {
    return this.#relay.callFd;
  }

  onKick(listener: () => void): () => void {
    this.#relay.listeners.add(listener);
    return () => this.#relay.listeners.delete(listener);
  }

  call(): void {
    this.#relay.takeUsed();
  }
}
