import { EventFd, SharedMemory } from '@vio/native';
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_DRIVER_OK, STATUS_FEATURES_OK } from '@vio/net/internal';
import { MemoryMap, Region, type RingFeatures, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { ScriptedDriver } from '@vio/rings/testing';
import type { ScriptedFrontend } from '../testing/index.ts';
import {
  type MemoryRegion,
  VHOST_USER_F_PROTOCOL_FEATURES,
  type VringAddress,
  frontendRequests as requests,
} from '../wire/index.ts';

/** The device status of a driver that has started. */
export const driverReady = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;

const pieceBytes = 0x8_0000;
const guestBase = 0x1_0000_0000;
const userBase = 0x7f00_0000_0000;

/** One message of a driver's start. */
export interface Step {
  readonly name: string;
  readonly run: (frontend: ScriptedFrontend) => Promise<void>;
}

/** What is said in the place of messages: by the name of a step, or of a request for all rings. */
export type Instead = Readonly<
  Record<string, 'skip' | ((frontend: ScriptedFrontend, ring: number) => Promise<void>)>
>;

/** A frontend says so of every ring, whatever it knows better. */
export const baseIs =
  (value: number) =>
  (frontend: ScriptedFrontend, index: number): Promise<void> =>
    frontend.send(requests.SET_VRING_BASE, { index, value });

export interface GuestOptions {
  /** Default 2: one pair. */
  readonly rings?: number;
  /** Descriptors per ring, default 8. */
  readonly size?: number;
  /** Device features, default VERSION_1; bit 30 is added. */
  readonly features?: bigint;
  readonly ring?: Partial<RingFeatures>;
  /** Behind an I/O MMU: the address at which its memory begins for the device. Default: as without one. */
  readonly iova?: number;
  /** What is shared; default: new memory that cannot be truncated. */
  readonly memory?: { readonly fd: number; readonly mapping: SharedMemory };
}

/** A driver with memory and rings, each in a region of its own, to be shown to a backend step by step. */
export class Guest implements Disposable {
  readonly features: bigint;
  readonly size: number;
  readonly rings: readonly ScriptedDriver[];
  readonly regions: readonly MemoryRegion[];
  readonly calls: readonly EventFd[];
  readonly errs: readonly EventFd[];
  readonly kicks: readonly EventFd[];
  readonly fd: number;
  readonly #mapping: SharedMemory;
  readonly #iova: number | undefined;

  constructor({ rings = 2, size = 8, features = VIRTIO_F_VERSION_1, ring, memory, iova }: GuestOptions = {}) {
    const count = Array.from({ length: rings }, (_, i) => i);
    this.features = features | VHOST_USER_F_PROTOCOL_FEATURES;
    this.size = size;
    this.#iova = iova;
    this.#mapping =
      memory?.mapping ?? SharedMemory.create({ size: rings * pieceBytes, name: 'vio-test-guest' });
    this.fd = memory?.fd ?? this.#mapping.fd;
    const format = { format: 'split', inOrder: false, indirect: false, eventIdx: false, ...ring } as const;
    this.regions = count.map((i) => ({
      guestAddress: guestBase + i * pieceBytes,
      userAddress: userBase + i * pieceBytes,
      size: pieceBytes,
      mmapOffset: i * pieceBytes,
    }));
    this.rings = this.regions.map((region) => {
      const guestAddress = iova === undefined ? region.guestAddress : iova + region.mmapOffset;
      const seen = new Region(this.#mapping.buffer, region.mmapOffset, pieceBytes);
      const window = { ...region, guestAddress, region: seen };
      return new ScriptedDriver({ memory: new MemoryMap([window]), size, features: format });
    });
    this.calls = count.map(() => EventFd.create());
    this.errs = count.map(() => EventFd.create());
    this.kicks = count.map(() => EventFd.create());
  }

  /** Bytes of memory that `memory` of the options needs. */
  static bytes(rings: number): number {
    return rings * pieceBytes;
  }

  address(index: number): VringAddress {
    const base = (this.#iova ?? userBase) + index * pieceBytes;
    const { descriptors, driver, device } = this.rings[index].addresses;
    return {
      index,
      flags: 0,
      descriptors: base + descriptors.offset,
      driver: base + driver.offset,
      device: base + device.offset,
      log: 0,
    };
  }

  /** All that a driver says until its device runs, message by message, in the usual order. */
  steps(): Step[] {
    const { features, regions, fd } = this;
    const step = (name: string, run: Step['run']): Step => ({ name, run });
    const rings = this.rings.map((_, i) => i);
    return [
      step('SET_OWNER', (f) => f.send(requests.SET_OWNER, undefined)),
      step('SET_FEATURES', (f) => f.send(requests.SET_FEATURES, features)),
      step('SET_MEM_TABLE', (f) => f.send(requests.SET_MEM_TABLE, regions, { fds: regions.map(() => fd) })),
      ...rings.flatMap((index) => this.ringSteps(index)),
      ...rings.map((index) =>
        step(`SET_VRING_ENABLE ${index}`, (f) => f.send(requests.SET_VRING_ENABLE, { index, value: 1 })),
      ),
      step('SET_STATUS', (f) => f.send(requests.SET_STATUS, driverReady)),
    ];
  }

  ringSteps(index: number): Step[] {
    const { size } = this;
    const withFd = (event: EventFd) => ({ fds: [event.fd] });
    const base = this.rings[index].device.base;
    return [
      {
        name: `SET_VRING_CALL ${index}`,
        run: (f) => f.send(requests.SET_VRING_CALL, { index, hasFd: true }, withFd(this.calls[index])),
      },
      {
        name: `SET_VRING_ERR ${index}`,
        run: (f) => f.send(requests.SET_VRING_ERR, { index, hasFd: true }, withFd(this.errs[index])),
      },
      {
        name: `SET_VRING_NUM ${index}`,
        run: (f) => f.send(requests.SET_VRING_NUM, { index, value: size }),
      },
      {
        name: `SET_VRING_BASE ${index}`,
        run: (f) => f.send(requests.SET_VRING_BASE, { index, value: base }),
      },
      {
        name: `SET_VRING_ADDR ${index}`,
        run: (f) => f.send(requests.SET_VRING_ADDR, this.address(index)),
      },
      {
        name: `SET_VRING_KICK ${index}`,
        run: (f) => f.send(requests.SET_VRING_KICK, { index, hasFd: true }, withFd(this.kicks[index])),
      },
    ];
  }

  /** Says all of it, until it has been handled. */
  async start(frontend: ScriptedFrontend, instead: Instead = {}): Promise<void> {
    for (const { name, run } of this.steps()) {
      const [request, ring] = name.split(' ');
      const other = instead[name] ?? instead[request];
      if (other === undefined) await run(frontend);
      else if (other !== 'skip') await other(frontend, Number(ring));
    }
    await frontend.ask(requests.GET_FEATURES, undefined);
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
    for (const event of [...this.calls, ...this.errs, ...this.kicks]) event.close();
  }
}
