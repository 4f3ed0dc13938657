// A device in userspace as the kernel's VDUSE has it (linux/vduse.h): what vhost-vdpa is tested against.
import { readSync, writeSync } from 'node:fs';
import { FdWatcher, SharedMemory, closeFd, ioctl } from '@vio/native';
import { openDevice } from '@vio/native/internal';

/** Ioctl numbers as the kernel's _IOC makes them. @param direction 1: it reads what is given; 2: it writes it */
const number = (direction: number, nr: number, bytes: number): number =>
  ((direction << 30) | (bytes << 16) | (0x81 << 8) | nr) >>> 0;

const configHead = 336;
const VDUSE_SET_API_VERSION = number(1, 0x01, 8);
const VDUSE_CREATE_DEV = number(1, 0x02, configHead);
const VDUSE_DESTROY_DEV = number(1, 0x03, 256);
const VDUSE_IOTLB_GET_FD = number(3, 0x10, 32);
const VDUSE_DEV_GET_FEATURES = number(2, 0x11, 8);
const VDUSE_DEV_SET_CONFIG = number(1, 0x12, 8);
const VDUSE_DEV_INJECT_CONFIG_IRQ = number(0, 0x13, 0);
const VDUSE_VQ_SETUP = number(1, 0x14, 32);
const VDUSE_VQ_GET_INFO = number(3, 0x15, 48);
const VDUSE_VQ_SETUP_KICKFD = number(1, 0x16, 8);
const VDUSE_VQ_INJECT_IRQ = number(1, 0x17, 4);

const VDUSE_REQ_RESULT_FAILED = 1;

/** What the kernel asks for. */
const GET_VQ_STATE = 0;
const SET_STATUS = 1;
const requestBytes = 152;

export interface VduseOptions {
  readonly name: string;
  /** Virtio device type: 1 is a network card. */
  readonly deviceId: number;
  readonly features: bigint;
  readonly queues: number;
  /** Descriptors. */
  readonly ringSize: number;
  readonly config: Uint8Array;
  /** Device status bits it does not take. */
  readonly refuses: number;
}

/** A virtqueue as the driver set it up; addresses are I/O addresses. */
export interface VduseQueue {
  readonly size: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  /** As in `DeviceQueue.base()`, for either format. */
  readonly splitBase: number;
  readonly packedBase: number;
  readonly ready: boolean;
}

/** A piece of the driver's memory. */
export interface VduseMapping {
  readonly start: number;
  readonly memory: SharedMemory;
}

export interface VduseHandlers {
  setStatus(status: number): void;
  /** @returns where a queue stopped: the state as VDUSE has it, four 16-bit numbers */
  queueState(index: number): Uint16Array;
}

export class VduseDevice {
  readonly #control: number;
  readonly #fd: number;
  readonly #name: Uint8Array;
  readonly #handlers: VduseHandlers;
  readonly #refuses: number;
  #watcher: FdWatcher | undefined;

  constructor(options: VduseOptions, handlers: VduseHandlers) {
    this.#handlers = handlers;
    this.#refuses = options.refuses;
    this.#control = openDevice('/dev/vduse/control');
    ioctl(this.#control, VDUSE_SET_API_VERSION, new Uint8Array(8), 'agree on a version');
    const create = new Uint8Array(configHead + options.config.length);
    const view = new DataView(create.buffer);
    this.#name = new Uint8Array(256);
    new TextEncoder().encodeInto(options.name, this.#name);
    create.set(this.#name);
    view.setUint32(256, 0x1af4, true);
    view.setUint32(260, options.deviceId, true);
    view.setBigUint64(264, options.features, true);
    view.setUint32(272, options.queues, true);
    view.setUint32(276, 4096, true);
    view.setUint32(332, options.config.length, true);
    create.set(options.config, configHead);
    ioctl(this.#control, VDUSE_CREATE_DEV, create, 'create the device');
    this.#fd = openDevice(`/dev/vduse/${options.name}`);
    for (let index = 0; index < options.queues; index++) {
      const setup = new DataView(new ArrayBuffer(32));
      setup.setUint32(0, index, true);
      setup.setUint16(4, options.ringSize, true);
      ioctl(this.#fd, VDUSE_VQ_SETUP, new Uint8Array(setup.buffer), 'set up a queue');
    }
    this.#watcher = new FdWatcher(this.#fd, { readable: true }, () => this.#answer());
  }

  /** What the driver took of the features. */
  get features(): bigint {
    const word = new Uint8Array(8);
    ioctl(this.#fd, VDUSE_DEV_GET_FEATURES, word, 'ask for the features');
    return new DataView(word.buffer).getBigUint64(0, true);
  }

  queue(index: number): VduseQueue {
    const view = new DataView(new ArrayBuffer(48));
    view.setUint32(0, index, true);
    ioctl(this.#fd, VDUSE_VQ_GET_INFO, new Uint8Array(view.buffer), 'ask about a queue');
    const [availWrap, avail, usedWrap, used] = [32, 34, 36, 38].map((at) => view.getUint16(at, true));
    return {
      size: view.getUint32(4, true),
      descriptors: Number(view.getBigUint64(8, true)),
      driver: Number(view.getBigUint64(16, true)),
      device: Number(view.getBigUint64(24, true)),
      splitBase: availWrap,
      packedBase: (avail | (availWrap << 15) | ((used | (usedWrap << 15)) << 16)) >>> 0,
      ready: view.getUint8(40) !== 0,
    };
  }

  /** Maps all of the driver's memory. */
  map(): VduseMapping[] {
    const mappings: VduseMapping[] = [];
    let start = 0n;
    for (;;) {
      const view = new DataView(new ArrayBuffer(32));
      view.setBigUint64(8, start, true);
      view.setBigUint64(16, 0xffff_ffff_ffffn, true);
      let fd: number;
      try {
        fd = ioctl(this.#fd, VDUSE_IOTLB_GET_FD, new Uint8Array(view.buffer), 'ask for memory');
      } catch {
        return mappings; // no more
      }
      const offset = Number(view.getBigUint64(0, true));
      const first = view.getBigUint64(8, true);
      const last = view.getBigUint64(16, true);
      const memory = SharedMemory.map(fd, { offset, size: Number(last - first + 1n), populate: false });
      closeFd(fd);
      mappings.push({ start: Number(first), memory });
      start = last + 1n;
    }
  }

  /** @param eventFd -1: none */
  setKick(index: number, eventFd: number): void {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, index, true);
    view.setInt32(4, eventFd, true);
    ioctl(this.#fd, VDUSE_VQ_SETUP_KICKFD, new Uint8Array(view.buffer), 'set a kick');
  }

  interrupt(index: number): void {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, index, true);
    ioctl(this.#fd, VDUSE_VQ_INJECT_IRQ, word, 'interrupt');
  }

  /** Changes the configuration, and tells the driver. */
  setConfig(offset: number, bytes: Uint8Array): void {
    const request = new Uint8Array(8 + bytes.length);
    const view = new DataView(request.buffer);
    view.setUint32(0, offset, true);
    view.setUint32(4, bytes.length, true);
    request.set(bytes, 8);
    ioctl(this.#fd, VDUSE_DEV_SET_CONFIG, request, 'change the configuration');
    ioctl(this.#fd, VDUSE_DEV_INJECT_CONFIG_IRQ, 0, 'tell of the configuration');
  }

  /** From now on nobody answers. */
  hang(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Gives the device back to the kernel; it must be off the vdpa bus. */
  destroy(): void {
    this.hang();
    closeFd(this.#fd);
    ioctl(this.#control, VDUSE_DESTROY_DEV, this.#name, 'destroy the device');
    closeFd(this.#control);
  }

  #answer(): void {
    const request = new DataView(new ArrayBuffer(requestBytes));
    readSync(this.#fd, new Uint8Array(request.buffer), 0, requestBytes, null);
    const answer = new DataView(new ArrayBuffer(requestBytes));
    answer.setUint32(0, request.getUint32(4, true), true);
    const kind = request.getUint32(0, true);
    if (kind === SET_STATUS) {
      const status = request.getUint8(24);
      if ((status & this.#refuses) === 0) this.#handlers.setStatus(status);
      else answer.setUint32(4, VDUSE_REQ_RESULT_FAILED, true);
    }
    if (kind === GET_VQ_STATE) {
      const index = request.getUint32(24, true);
      answer.setUint32(24, index, true);
      for (const [i, half] of this.#handlers.queueState(index).entries())
        answer.setUint16(28 + 2 * i, half, true);
    }
    writeSync(this.#fd, new Uint8Array(answer.buffer));
  }
}
