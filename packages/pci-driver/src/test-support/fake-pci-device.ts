import { EventFd, SharedMemory, type RegisterWidth, dupFd } from '@vio/native';
import type { DmaMemory, PciAccess, PciInterrupts, TranslatedAccess } from '../access/pci-access.ts';
import { missingBar } from '../access/pci-errors.ts';
import { type Access, FakeRegisters } from './fake-registers.ts';

/** One capability of the list, byte by byte behind its two first. */
export interface FakeCapability {
  readonly id: number;
  readonly body: readonly number[];
}

export interface FakeOptions {
  /** Has only the registers of before virtio 1. */
  readonly legacy?: boolean;
  readonly features?: bigint;
  /** Descriptors of each queue. */
  readonly queues?: readonly number[];
  /** MSI-X vectors the driver can have; 0: INTx only. */
  readonly vectors?: number;
  /** Vectors the device itself hands out; more are answered by NO_VECTOR. Default: all. */
  readonly assignable?: number;
  /** Device configuration. */
  readonly config?: readonly number[];
  /** Reads of the status after a reset that do not yet say 0. */
  readonly slowReset?: number;
  readonly refusesFeatures?: boolean;
  /** Instead of the usual list. */
  readonly capabilities?: readonly FakeCapability[];
  /** BARs that cannot be mapped. */
  readonly unmappable?: readonly number[];
  /** Bytes between the notification registers of two queues. */
  readonly notifyMultiplier?: number;
  /** What queue_notif_config_data says, by queue. */
  readonly notifyData?: (queue: number) => number;
  /** By which address the device knows the driver's memory. */
  readonly dmaAddress?: bigint;
  /** An IOMMU stands in front of it. Default false. */
  readonly translated?: boolean;
}

export interface FakeQueue {
  size: number;
  vector: number;
  enabled: boolean;
  resetting: boolean;
  readonly addresses: [bigint, bigint, bigint];
}

const NO_VECTOR = 0xffff;
const barBytes = 0x4000;
const isrAt = 0x1000;
const deviceAt = 0x2000;
const notifyAt = 0x3000;

/** Where the usual list has a structure. @param tail what follows, as the multiplier */
export function structureCapability(
  type: number,
  bar: number,
  offset: number,
  length: number,
  tail: readonly number[] = [],
): FakeCapability {
  const words = [offset, length, ...tail].flatMap((n) => [
    n & 255,
    (n >> 8) & 255,
    (n >> 16) & 255,
    n >>> 24,
  ]);
  return { id: 9, body: [16 + 4 * tail.length, type, bar, 0, 0, 0, ...words] };
}

export function usualCapabilities(multiplier = 4): FakeCapability[] {
  return [
    { id: 0x11, body: [0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    structureCapability(5, 0, 0, 0, [0]),
    structureCapability(2, 4, notifyAt, 0x1000, [multiplier]),
    structureCapability(4, 4, deviceAt, 0x1000),
    structureCapability(3, 4, isrAt, 0x1000),
    structureCapability(1, 4, 0, 0x1000),
  ];
}

/**
 * A virtio device in memory, by modern or legacy registers, that behaves as a specification-abiding device does unless
 * told otherwise, and logs every access of its driver.
 */
export class FakePciDevice implements PciAccess {
  readonly address = '0000:00:04.0';
  readonly kind = 'uio';
  readonly log: Access[] = [];
  readonly config = new FakeRegisters('config', 256, this.log);
  readonly interrupts: PciInterrupts;
  readonly queues: FakeQueue[];
  status = 0;
  driverFeatures = 0n;
  configVector = NO_VECTOR;
  isr = 0;
  generation = 0;
  closed = false;
  /** What it may reach of others: where that is in this process, by the address that it knows. */
  readonly mapped = new Map<bigint, { readonly userAddress: bigint; readonly bytes: bigint }>();
  readonly translated: TranslatedAccess | undefined;
  /** Descriptors that vectors signal in the place of their events, by vector; -1: none. */
  readonly vectorFds = new Map<number, number>();
  /** Eventfds of the vectors, as the driver enabled them. */
  vectorEvents: readonly EventFd[] = [];
  onLine: (() => void) | undefined;
  /** Asks the driver for the device. */
  askForRemoval: () => void = () => {};
  readonly memory: SharedMemory[] = [];
  /** Runs when the driver notifies a queue. */
  onNotify: (queue: number, value: number, width: number) => void = () => {};
  /** Runs when the driver looks at the device configuration. */
  onConfigRead: () => void = () => {};
  readonly bar4 = new FakeRegisters('bar4', barBytes, this.log);
  readonly bar0 = new FakeRegisters('bar0', 64, this.log);
  readonly #options: FakeOptions;
  readonly #deviceConfig: number[];
  #featureSelect = 0;
  #driverSelect = 0;
  #queueSelect = 0;
  #resetReads = 0;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.queues = this.#freshQueues();
    this.translated = options.translated === true ? this.#behindIommu() : undefined;
    this.#writeConfigSpace();
    this.#deviceConfig = [...(options.config ?? [2, 0, 0, 0, 0, 7, 1, 0])];
    for (const [i, byte] of this.#deviceConfig.entries()) this.bar4.view.setUint8(deviceAt + i, byte);
    this.bar4.onRead = (at) => this.#modernRead(at);
    this.bar4.onWrite = (at, width, value) => this.#modernWrite(at, width, value);
    this.bar0.onRead = (at) => this.#legacyRead(at);
    this.bar0.onWrite = (at, _, value) => this.#legacyWrite(at, value);
    this.config.onRead = (at, width) => this.#window(at, width, undefined);
    this.config.onWrite = (at, width, value) => {
      this.config.set(at, width, value);
      this.#window(at, width, value);
    };
    this.interrupts = {
      vectors: options.vectors ?? 3,
      line: { enable: (handler) => (this.onLine = handler) },
      setVector: (vector, fd) => this.vectorFds.set(vector, fd ?? -1),
      enableVectors: (events) => {
        this.vectorFds.clear();
        this.vectorEvents = events;
        this.#setMsixEnabled(true);
      },
      disable: () => {
        this.vectorEvents = [];
        this.onLine = undefined;
        this.#setMsixEnabled(false);
      },
    };
  }

  barSize(index: number): number {
    if (this.#options.legacy === true) return index === 0 ? 64 : 0;
    return index === 4 ? barBytes : index === 0 ? 64 : 0;
  }

  bar(index: number): FakeRegisters {
    if (this.#options.unmappable?.includes(index) === true || this.barSize(index) === 0) {
      throw missingBar(this.address, index);
    }
    return index === 4 ? this.bar4 : this.bar0;
  }

  allocateDma(bytes: number): DmaMemory {
    const memory = SharedMemory.create({ size: bytes });
    this.memory.push(memory);
    return {
      buffer: memory.buffer,
      address: this.dmaAddress,
      fd: memory.fd,
      close: () => memory.close(),
    };
  }

  /** By which it knows the first byte of the driver's memory. */
  get dmaAddress(): bigint {
    return this.#options.dmaAddress ?? 0x3_8000_0000n;
  }

  onRemovalRequest(handler: () => void): () => void {
    this.askForRemoval = handler;
    return () => (this.askForRemoval = () => {});
  }

  close(): void {
    this.closed = true;
  }

  /** The configuration has changed: tells the driver by the interrupt it asked for. */
  interruptConfig(): void {
    this.generation = (this.generation + 1) & 0xff;
    this.#interrupt(this.configVector, 2);
  }

  interruptQueue(queue: number): void {
    this.#interrupt(this.queues[queue].vector, 1);
  }

  setConfigByte(at: number, value: number): void {
    this.bar4.view.setUint8(deviceAt + at, value);
    this.#deviceConfig[at] = value;
  }

  #behindIommu(): TranslatedAccess {
    return {
      map: (userAddress, address, bytes) => {
        if (this.mapped.has(address)) throw new RangeError('something is mapped there already');
        this.mapped.set(address, { userAddress, bytes });
        return () => this.mapped.delete(address);
      },
      groupFd: 101,
      deviceFd: 102,
      barAt: (index) => (index === 4 ? 0x10_0000 : undefined),
    };
  }

  #interrupt(vector: number, isr: number): void {
    const fd = this.vectorFds.get(vector);
    if (fd === -1) return;
    if (fd !== undefined) {
      using event = EventFd.adopt(dupFd(fd));
      return event.signal();
    }
    const event = this.vectorEvents[vector];
    if (event !== undefined) return event.signal();
    this.isr |= isr;
    this.onLine?.();
  }

  #freshQueues(): FakeQueue[] {
    return (this.#options.queues ?? [256, 256]).map((size) => ({
      size,
      vector: NO_VECTOR,
      enabled: false,
      resetting: false,
      addresses: [0n, 0n, 0n],
    }));
  }

  #writeConfigSpace(): void {
    const { view } = this.config;
    view.setUint16(0, 0x1af4, true);
    view.setUint16(2, this.#options.legacy === true ? 0x1000 : 0x1041, true);
    view.setUint8(0x06, 0x10);
    const usual = this.#options.legacy === true ? [] : usualCapabilities(this.#options.notifyMultiplier);
    const capabilities = this.#options.capabilities ?? usual;
    let at = 0x40;
    view.setUint8(0x34, capabilities.length === 0 ? 0 : at);
    for (const [i, { id, body }] of capabilities.entries()) {
      const next = (at + 2 + body.length + 3) & ~3;
      [id, i === capabilities.length - 1 ? 0 : next, ...body].forEach((byte, k) =>
        view.setUint8(at + k, byte),
      );
      at = next;
    }
  }

  get #msixEnabled(): boolean {
    return this.config.view.getUint8(0x40) === 0x11 && (this.config.view.getUint8(0x43) & 0x80) !== 0;
  }

  #setMsixEnabled(on: boolean): void {
    if (this.config.view.getUint8(0x40) === 0x11) this.config.view.setUint8(0x43, on ? 0x80 : 0);
  }

  /** The window of the usual list: what is written to its data goes to the BAR, and the other way round. */
  #window(at: number, width: RegisterWidth, value: number | undefined): void {
    for (let cap = 0x40; cap < 240; cap += 4) {
      const { view } = this.config;
      if (view.getUint8(cap) !== 9 || view.getUint8(cap + 3) !== 5 || at !== cap + 16) continue;
      const offset = view.getUint32(cap + 8, true);
      const length = view.getUint32(cap + 12, true);
      if (length !== width) throw new RangeError('the window is read by another width than it says');
      const bar = view.getUint8(cap + 4) === 4 ? this.bar4 : this.bar0;
      if (value !== undefined) bar.write(offset, width, value);
      else this.config.set(at, width, bar.read(offset, width));
    }
  }

  #reset(): void {
    this.status = 0;
    this.driverFeatures = 0n;
    this.configVector = NO_VECTOR;
    this.queues.splice(0, this.queues.length, ...this.#freshQueues());
    this.#resetReads = this.#options.slowReset ?? 0;
  }

  #setStatus(status: number): void {
    if (status === 0) return this.#reset();
    const refused = this.#options.refusesFeatures === true && (status & 8) !== 0;
    this.status = refused ? status & ~8 : status;
  }

  #readStatus(): number {
    if (this.#resetReads === 0) return this.status;
    this.#resetReads--;
    return 1;
  }

  #readIsr(): number {
    const { isr } = this;
    this.isr = 0;
    return isr;
  }

  #vector(vector: number): number {
    const count = this.#options.assignable ?? this.interrupts.vectors;
    return vector < count ? vector : NO_VECTOR;
  }

  get #offered(): bigint {
    return this.#options.features ?? (this.#options.legacy === true ? 1n << 5n : (1n << 32n) | (1n << 5n));
  }

  #modernRead(at: number): void {
    const { bar4: bar } = this;
    if (at === isrAt) return bar.set(at, 1, this.#readIsr());
    if (at >= deviceAt && at < notifyAt) return this.onConfigRead();
    const queue: FakeQueue | undefined = this.queues[this.#queueSelect];
    const shift = BigInt(32 * this.#featureSelect);
    if (at === 0x04) bar.set(at, 4, Number((this.#offered >> shift) & 0xffff_ffffn));
    else if (at === 0x10) bar.set(at, 2, this.configVector);
    else if (at === 0x12) bar.set(at, 2, this.queues.length);
    else if (at === 0x14) bar.set(at, 1, this.#readStatus());
    else if (at === 0x15) bar.set(at, 1, this.generation);
    else if (at === 0x18) bar.set(at, 2, queue?.size ?? 0);
    else if (at === 0x1a) bar.set(at, 2, queue?.vector ?? NO_VECTOR);
    else if (at === 0x1c) bar.set(at, 2, queue?.enabled ? 1 : 0);
    else if (at === 0x1e) bar.set(at, 2, this.#queueSelect);
    else if (at === 0x38) bar.set(at, 2, this.#options.notifyData?.(this.#queueSelect) ?? 0);
    else if (at === 0x3a) bar.set(at, 2, queue?.resetting ? 1 : 0);
  }

  #modernWrite(at: number, width: number, value: number): void {
    if (at >= notifyAt) {
      const queue = (at - notifyAt) / Math.max(1, this.#options.notifyMultiplier ?? 4);
      return this.onNotify(queue, value, width);
    }
    const queue = this.queues[this.#queueSelect];
    if (at === 0x00) this.#featureSelect = value;
    else if (at === 0x08) this.#driverSelect = value;
    else if (at === 0x0c) {
      const shift = BigInt(32 * this.#driverSelect);
      this.driverFeatures |= BigInt(value) << shift;
    } else if (at === 0x10) this.configVector = this.#vector(value);
    else if (at === 0x14) this.#setStatus(value);
    else if (at === 0x16) this.#queueSelect = value;
    else if (at === 0x18) queue.size = value;
    else if (at === 0x1a) queue.vector = this.#vector(value);
    else if (at === 0x1c) queue.enabled = value === 1;
    else if (at >= 0x20 && at < 0x38) {
      const part = (at - 0x20) >> 3;
      const half = (at & 4) === 0 ? 0n : 32n;
      queue.addresses[part] = (queue.addresses[part] & ~(0xffff_ffffn << half)) | (BigInt(value) << half);
    } else if (at === 0x3a) queue.resetting = value === 1;
  }

  #legacyRead(at: number): void {
    const { bar0: bar } = this;
    const queue: FakeQueue | undefined = this.queues[this.#queueSelect];
    if (at === 0) bar.set(at, 4, Number(this.#offered & 0xffff_ffffn));
    else if (at === 12) bar.set(at, 2, queue?.size ?? 0);
    else if (at === 18) bar.set(at, 1, this.#readStatus());
    else if (at === 19) bar.set(at, 1, this.#readIsr());
    else if (at === 20 && this.#msixEnabled) bar.set(at, 2, this.configVector);
    else if (at === 22 && this.#msixEnabled) bar.set(at, 2, queue?.vector ?? NO_VECTOR);
    else if (at >= 20) {
      this.onConfigRead();
      const from = at - (this.#msixEnabled ? 24 : 20);
      for (let i = 0; i < 4 && at + i < bar.size; i++)
        bar.view.setUint8(at + i, this.#deviceConfig[from + i] ?? 0);
    }
  }

  #legacyWrite(at: number, value: number): void {
    if (at === 4) this.driverFeatures = BigInt(value);
    else if (at === 8) {
      const base = BigInt(value) << 12n;
      const queue = this.queues[this.#queueSelect];
      const used = (BigInt(queue.size) * 18n + 6n + 4095n) & ~4095n;
      queue.addresses.splice(0, 3, base, base + BigInt(queue.size) * 16n, base + used);
      queue.enabled = value !== 0;
    } else if (at === 14) this.#queueSelect = value;
    else if (at === 16) this.onNotify(value, value, 2);
    else if (at === 18) this.#setStatus(value);
    else if (at === 20) this.configVector = this.#vector(value);
    else if (at === 22) this.queues[this.#queueSelect].vector = this.#vector(value);
  }
}
