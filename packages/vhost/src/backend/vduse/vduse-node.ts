import { existsSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { FdWatcher, VioError, closeFd, ioctl } from '@vio/native';
import { openDevice } from '@vio/native/internal';
import type { MemoryRegion } from '../../wire/index.ts';
import { createErrors, openErrors, vduseError } from './vduse-errors.ts';
import * as vduse from './vduse-ioctls.ts';

const control = '/dev/vduse/control';
/** Where the nodes of devices are. */
export const vduseDirectory = '/dev/vduse/';

/** Who answers the kernel. What throws is answered as a failure. */
export interface VduseHandlers {
  setStatus(status: number): void;
  /** @returns the base of a queue, and whether it is packed */
  queueState(index: number): { readonly base: number; readonly packed: boolean };
  /** The driver's memory is another one. */
  memoryChanged(): void;
  /** It could not be done; the kernel was told. */
  failed(error: unknown): void;
  /** The device is none any more. */
  gone(reason: VioError): void;
}

/** A device of the kernel's VDUSE (linux/vduse.h): a node that its driver is behind. */
export class VduseNode {
  /** It is on the vdpa bus since a predecessor served it: its driver may be at work. */
  readonly found: boolean;
  /** Which of the offers it was made of. */
  readonly offer: vduse.VduseConfig;
  readonly #fd: number;
  readonly #control: number;
  readonly #name: string;
  readonly #word = new Uint8Array(4);
  #watcher: FdWatcher | undefined;
  #open = true;

  /**
   * Opens a device, which is made unless it is on the bus: one that is not was left by a predecessor, and is made anew.
   * @param offers tried one after the other: a kernel refuses what it does not know
   * @param bounceBytes of the kernel's memory between its driver and this side, where the kernel lets that be chosen
   * @throws VioError VIO_VDUSE_UNAVAILABLE, VIO_VDUSE_REFUSED, VIO_VDUSE_BUSY, VIO_VDUSE_BROKEN, VIO_VDUSE_QUEUES
   */
  constructor(offers: readonly vduse.VduseConfig[], bounceBytes: number) {
    const [{ name }] = offers;
    const path = `${vduseDirectory}${name}`;
    this.#name = name;
    this.#control = openDevice(control, openErrors);
    let opened: number | undefined;
    try {
      ioctl(this.#control, vduse.VDUSE_SET_API_VERSION, new Uint8Array(8), 'agree on a version of VDUSE');
      this.found = existsSync(path) && !this.#destroy();
      const made = this.found ? undefined : this.#create(offers);
      opened = openDevice(path, openErrors);
      this.#fd = opened;
      this.offer = made ?? this.#offerOf(offers);
      if (made !== undefined) this.#prepare(made, bounceBytes);
    } catch (error) {
      if (opened !== undefined) closeFd(opened);
      closeFd(this.#control);
      throw error;
    }
  }

  /** What the driver took of the features; 0 before. */
  get features(): bigint {
    const word = new Uint8Array(8);
    ioctl(this.#fd, vduse.VDUSE_DEV_GET_FEATURES, word, 'ask VDUSE for the features');
    return new DataView(word.buffer).getBigUint64(0, true);
  }

  /** A queue; undefined: there is none. */
  queue(index: number): vduse.VduseQueue | undefined {
    const bytes = new Uint8Array(48);
    new DataView(bytes.buffer).setUint32(0, index, true);
    try {
      ioctl(this.#fd, vduse.VDUSE_VQ_GET_INFO, bytes, 'ask VDUSE about a queue');
      return vduse.decodeQueue(bytes);
    } catch {
      return undefined;
    }
  }

  /** The driver's memory, by I/O addresses. The descriptors are the caller's. */
  memory(): { regions: MemoryRegion[]; fds: number[] } {
    const regions: MemoryRegion[] = [];
    const fds: number[] = [];
    let start = 0n;
    for (;;) {
      const view = new DataView(new ArrayBuffer(32));
      view.setBigUint64(8, start, true);
      view.setBigUint64(16, 0xffff_ffff_ffffn, true);
      try {
        fds.push(
          ioctl(this.#fd, vduse.VDUSE_IOTLB_GET_FD, new Uint8Array(view.buffer), 'ask VDUSE for memory'),
        );
      } catch {
        return { regions, fds }; // no more
      }
      const first = view.getBigUint64(8, true);
      const last = view.getBigUint64(16, true);
      const address = Number(first);
      regions.push({
        guestAddress: address,
        userAddress: address,
        size: Number(last - first + 1n),
        mmapOffset: Number(view.getBigUint64(0, true)),
      });
      start = last + 1n;
    }
  }

  /** What the driver of a queue kicks. It stays the caller's. */
  setKick(index: number, eventFd: number): void {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, index, true);
    view.setInt32(4, eventFd, true);
    ioctl(this.#fd, vduse.VDUSE_VQ_SETUP_KICKFD, new Uint8Array(view.buffer), 'give VDUSE a kick');
  }

  /** Calls the driver of a queue. @returns false: it does not take calls now, as before it has started altogether */
  call(index: number): boolean {
    const word = this.#word;
    word[0] = index;
    word[1] = index >> 8;
    try {
      ioctl(this.#fd, vduse.VDUSE_VQ_INJECT_IRQ, word, 'interrupt by VDUSE');
      return true;
    } catch {
      return false;
    }
  }

  /** Replaces the configuration space, and tells the driver, if there is one. */
  setSpace(space: Uint8Array): void {
    const bytes = new Uint8Array(8 + space.length);
    new DataView(bytes.buffer).setUint32(4, space.length, true);
    bytes.set(space, 8);
    ioctl(this.#fd, vduse.VDUSE_DEV_SET_CONFIG, bytes, 'change the configuration');
    try {
      ioctl(this.#fd, vduse.VDUSE_DEV_INJECT_CONFIG_IRQ, 0, 'tell of the configuration');
    } catch {
      // No driver is at work: it looks when it starts.
    }
  }

  /**
   * Answers what the kernel asks from now on. One at a time listens.
   * @returns ends it; `close` does so as well
   */
  listen(handlers: VduseHandlers): () => void {
    const end = (): void => {
      watcher.close();
      if (this.#watcher === watcher) this.#watcher = undefined;
    };
    const watcher = new FdWatcher(this.#fd, { readable: true }, ({ hangup }) => {
      if (!hangup) return this.#answer(handlers);
      end();
      handlers.gone(
        vduseError(
          'BROKEN',
          `the kernel has given up on ${this.#name}: a question of its was not answered in time`,
        ),
      );
    });
    this.#watcher = watcher;
    return end;
  }

  /**
   * Lets go of it, and takes it away unless it is on the bus: then the next one goes on with it. Idempotent.
   * @returns true: it is no more
   */
  close(): boolean {
    if (!this.#open) return false;
    this.#open = false;
    this.#watcher?.close();
    closeFd(this.#fd);
    const gone = this.#destroy();
    closeFd(this.#control);
    return gone;
  }

  /** @returns false: it is on the bus, or another process serves it */
  #destroy(): boolean {
    try {
      ioctl(
        this.#control,
        vduse.VDUSE_DESTROY_DEV,
        vduse.encodeName(this.#name),
        'take the VDUSE device away',
      );
      return true;
    } catch {
      return false;
    }
  }

  #create(offers: readonly vduse.VduseConfig[]): vduse.VduseConfig {
    for (const [i, offer] of offers.entries()) {
      try {
        const what = `make the VDUSE device ${offer.name}`;
        ioctl(this.#control, vduse.VDUSE_CREATE_DEV, vduse.encodeConfig(offer), what, createErrors);
        return offer;
      } catch (error) {
        const refused = VioError.is(error) && error.code === 'VIO_VDUSE_REFUSED';
        if (!refused || i === offers.length - 1) throw error;
      }
    }
    throw new TypeError('nothing is offered');
  }

  /** Which offer a device was made of that is on the bus: how many queues it has tells. */
  #offerOf(offers: readonly vduse.VduseConfig[]): vduse.VduseConfig {
    const name = this.#name;
    try {
      void this.features;
    } catch (cause) {
      // It answers nothing any more.
      throw vduseError('BROKEN', `the kernel has given up on ${name}, which is still on the bus`, cause);
    }
    const has = (queues: number): boolean =>
      this.queue(queues - 1) !== undefined && this.queue(queues) === undefined;
    const made = offers.find(({ queues }) => has(queues));
    if (made !== undefined) return made;
    throw vduseError(
      'QUEUES',
      `${name} is on the bus with other queues than the ${offers[0].queues} offered now`,
    );
  }

  #prepare({ queues, queueSize }: vduse.VduseConfig, bounceBytes: number): void {
    for (let index = 0; index < queues; index++) {
      const setup = new DataView(new ArrayBuffer(32));
      setup.setUint32(0, index, true);
      setup.setUint16(4, queueSize, true);
      ioctl(this.#fd, vduse.VDUSE_VQ_SETUP, new Uint8Array(setup.buffer), 'set up a VDUSE queue');
    }
    try {
      writeFileSync(`/sys/class/vduse/${this.#name}/bounce_size`, String(bounceBytes));
    } catch {
      // A kernel before 6.7, or a container without sysfs: it has its 64 MiB.
    }
  }

  #answer(handlers: VduseHandlers): void {
    const bytes = new Uint8Array(vduse.requestBytes);
    try {
      if (readSync(this.#fd, bytes, 0, bytes.length, null) !== bytes.length) return;
    } catch {
      return; // The kernel took it back.
    }
    const request = new DataView(bytes.buffer);
    const answer = new DataView(new ArrayBuffer(vduse.requestBytes));
    answer.setUint32(0, request.getUint32(4, true), true);
    try {
      perform(request, answer, handlers);
    } catch (error) {
      answer.setUint32(4, vduse.VDUSE_REQ_RESULT_FAILED, true);
      handlers.failed(error);
    }
    // A handler may have closed it.
    if (!this.#open) return;
    try {
      writeSync(this.#fd, new Uint8Array(answer.buffer));
    } catch {
      // The kernel has waited too long, and does not know the question any more.
    }
  }
}

function perform(request: DataView, answer: DataView, handlers: VduseHandlers): void {
  switch (request.getUint32(0, true)) {
    case vduse.VDUSE_SET_STATUS:
      return handlers.setStatus(request.getUint8(24));
    case vduse.VDUSE_UPDATE_IOTLB:
      return handlers.memoryChanged();
    case vduse.VDUSE_GET_VQ_STATE: {
      const index = request.getUint32(24, true);
      const { base, packed } = handlers.queueState(index);
      answer.setUint32(24, index, true);
      for (const [i, half] of vduse.encodeState(base, packed).entries())
        answer.setUint16(28 + 2 * i, half, true);
      return;
    }
    default:
    // What later kernels may tell of is not answered with a failure: that would be the end of the device.
  }
}
