// A device in userspace as the kernel's VDUSE has it (linux/vduse.h): what vhost-vdpa is tested against.
import { readSync, writeSync } from 'node:fs';
import { FdWatcher, SharedMemory, closeFd, ioctl } from '@vio/native';
import { openDevice } from '@vio/native/internal';
import { vduse } from '@vio/vhost/internal';

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
    ioctl(this.#control, vduse.VDUSE_SET_API_VERSION, new Uint8Array(8), 'agree on a version');
    const { name, deviceId, features, queues, ringSize: queueSize, config: space } = options;
    this.#name = vduse.encodeName(name);
    const create = vduse.encodeConfig({ name, deviceId, features, queues, queueSize, space });
    ioctl(this.#control, vduse.VDUSE_CREATE_DEV, create, 'create the device');
    this.#fd = openDevice(`/dev/vduse/${options.name}`);
    for (let index = 0; index < options.queues; index++) {
      const setup = new DataView(new ArrayBuffer(32));
      setup.setUint32(0, index, true);
      setup.setUint16(4, options.ringSize, true);
      ioctl(this.#fd, vduse.VDUSE_VQ_SETUP, new Uint8Array(setup.buffer), 'set up a queue');
    }
    this.#watcher = new FdWatcher(this.#fd, { readable: true }, () => this.#answer());
  }

  /** What the driver took of the features. */
  get features(): bigint {
    const word = new Uint8Array(8);
    ioctl(this.#fd, vduse.VDUSE_DEV_GET_FEATURES, word, 'ask for the features');
    return new DataView(word.buffer).getBigUint64(0, true);
  }

  queue(index: number): vduse.VduseQueue {
    const bytes = new Uint8Array(48);
    new DataView(bytes.buffer).setUint32(0, index, true);
    ioctl(this.#fd, vduse.VDUSE_VQ_GET_INFO, bytes, 'ask about a queue');
    return vduse.decodeQueue(bytes);
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
        fd = ioctl(this.#fd, vduse.VDUSE_IOTLB_GET_FD, new Uint8Array(view.buffer), 'ask for memory');
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
    ioctl(this.#fd, vduse.VDUSE_VQ_SETUP_KICKFD, new Uint8Array(view.buffer), 'set a kick');
  }

  interrupt(index: number): void {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, index, true);
    ioctl(this.#fd, vduse.VDUSE_VQ_INJECT_IRQ, word, 'interrupt');
  }

  /** Changes the configuration, and tells the driver. */
  setConfig(offset: number, bytes: Uint8Array): void {
    const request = new Uint8Array(8 + bytes.length);
    const view = new DataView(request.buffer);
    view.setUint32(0, offset, true);
    view.setUint32(4, bytes.length, true);
    request.set(bytes, 8);
    ioctl(this.#fd, vduse.VDUSE_DEV_SET_CONFIG, request, 'change the configuration');
    ioctl(this.#fd, vduse.VDUSE_DEV_INJECT_CONFIG_IRQ, 0, 'tell of the configuration');
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
    ioctl(this.#control, vduse.VDUSE_DESTROY_DEV, this.#name, 'destroy the device');
    closeFd(this.#control);
  }

  #answer(): void {
    const request = new DataView(new ArrayBuffer(vduse.requestBytes));
    readSync(this.#fd, new Uint8Array(request.buffer), 0, vduse.requestBytes, null);
    const answer = new DataView(new ArrayBuffer(vduse.requestBytes));
    answer.setUint32(0, request.getUint32(4, true), true);
    const kind = request.getUint32(0, true);
    if (kind === vduse.VDUSE_SET_STATUS) {
      const status = request.getUint8(24);
      if ((status & this.#refuses) === 0) this.#handlers.setStatus(status);
      else answer.setUint32(4, vduse.VDUSE_REQ_RESULT_FAILED, true);
    }
    if (kind === vduse.VDUSE_GET_VQ_STATE) {
      const index = request.getUint32(24, true);
      answer.setUint32(24, index, true);
      for (const [i, half] of this.#handlers.queueState(index).entries())
        answer.setUint16(28 + 2 * i, half, true);
    }
    writeSync(this.#fd, new Uint8Array(answer.buffer));
  }
}
