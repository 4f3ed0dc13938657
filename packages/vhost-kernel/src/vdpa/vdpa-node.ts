import { close, existsSync } from 'node:fs';
import { EventFd, FdWatcher, type VioError, type WaitOptions, closeFd, dupFd } from '@vio/native';
import { callApplication, defaultTimeout, deviceNumberOf, settle, statOfFd } from '@vio/native/internal';
import { type Notifier, DownEvent } from '@vio/net';
import { STATUS_NEEDS_RESET, networkCard } from '@vio/net/internal';
import { Doorbells } from './doorbells.ts';
import { RequestLine } from './request-line.ts';
import * as errors from './vdpa-errors.ts';
import * as vdpa from './vdpa-ioctls.ts';

/** Milliseconds between two looks whether the device is still there. */
const watchInterval = 500;

const usedBackendFeatures =
  vdpa.VHOST_BACKEND_F_IOTLB_MSG_V2 | vdpa.VHOST_BACKEND_F_IOTLB_BATCH | vdpa.VHOST_BACKEND_F_SUSPEND;

/** Devices that this process is done with, but the kernel is not, by path. */
const closing = new Map<string, Promise<unknown>>();

/** What a device said when it was opened. */
export interface VdpaFacts {
  /** Virtqueues, the control queue among them. */
  readonly queueCount: number;
  /** Descriptors. */
  readonly maxRingSize: number;
  readonly iovaRange: vdpa.IovaRange;
  /** It offers. */
  readonly features: bigint;
  /** VHOST_BACKEND_F_* bits that are in use. */
  readonly backendFeatures: bigint;
}

/** An open /dev/vhost-vdpa-N: requests one at a time, what it tells by itself, and its end. */
export class VdpaNode {
  readonly path: string;
  readonly #fd: number;
  readonly #line: RequestLine;
  readonly #configEvent: EventFd;
  readonly #configWatcher: FdWatcher;
  readonly #watch: NodeJS.Timeout | undefined;
  readonly #doorbells = new Doorbells();
  readonly #down = new DownEvent();
  readonly #onConfig = new Set<() => void>();
  readonly #onEnd = new Set<() => void>();

  /**
   * @param given a descriptor of the device, which stays the caller's
   * @throws VioError VIO_VDPA_*, VIO_TIMEOUT, VIO_ABORTED
   */
  static async open(path: string, wait: WaitOptions, given?: number): Promise<VdpaNode> {
    const opening = given === undefined ? openClosed(path) : resetDuplicate(given);
    try {
      // The kernel resets a device that is opened, which takes as long as the device likes.
      const limits = { timeout: wait.timeout ?? defaultTimeout, signal: wait.signal };
      const fd = await settle<number>(`opening ${path}`, limits, (resolve, reject) => {
        opening.then(resolve, reject);
        return () => {};
      });
      return new VdpaNode(path, fd);
    } catch (error) {
      void opening.then(closeElsewhere, () => {});
      throw error;
    }
  }

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    try {
      this.#configEvent = EventFd.create();
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    this.#configWatcher = new FdWatcher(
      this.#configEvent.fd,
      { readable: true },
      () => void this.#configChanged(),
    );
    this.#configWatcher.unref();
    this.#line = new RequestLine((reason) => this.#fail(errors.unresponsive(path, reason)));
    this.#watch = this.#watchNode();
  }

  /** Why it ended by itself. */
  get down(): VioError | undefined {
    return this.#down.reason;
  }

  /** False once it is closed or down. */
  get open(): boolean {
    return this.#line.open;
  }

  /** The doorbell of a virtqueue; undefined where it has none. It rings until the device ends. */
  doorbell(index: number): Notifier | undefined {
    return this.open ? this.#doorbells.of(this.#fd, index) : undefined;
  }

  /** Asks what it is, and agrees on how to talk. @throws VioError VIO_VDPA_NOT_NET, VIO_VHOST_UNSUPPORTED */
  meet(wait: WaitOptions): Promise<VdpaFacts> {
    return this.ask('asking what it is', wait, async (fd) => {
      const id = await vdpa.getDeviceId(fd);
      if (id !== networkCard) throw errors.notNet(this.path, id);
      const offered = await vdpa.getBackendFeatures(fd);
      if ((offered & vdpa.VHOST_BACKEND_F_IOTLB_MSG_V2) === 0n) throw errors.tooOld(this.path);
      const backendFeatures = offered & usedBackendFeatures;
      await vdpa.setBackendFeatures(fd, backendFeatures);
      return {
        queueCount: await vdpa.getQueueCount(fd),
        maxRingSize: await vdpa.getMaxRingSize(fd),
        iovaRange: await vdpa.getIovaRange(fd),
        features: await vdpa.getFeatures(fd),
        backendFeatures,
      };
    });
  }

  /** Requests of one call, in turn with those of others. @param what as in "what took longer than 5000 ms" */
  ask<T>(what: string, wait: WaitOptions | undefined, request: (fd: number) => Promise<T>): Promise<T> {
    return this.#line.ask(`${this.path}: ${what}`, wait, () => request(this.#fd));
  }

  /** Has the device tell of changes to its configuration, until it is reset. Within `ask`. */
  tellConfig(): Promise<void> {
    return vdpa.setConfigCall(this.#fd, this.#configEvent.fd);
  }

  /** Calls the handler whenever the configuration has changed. @returns takes the handler back */
  onConfig(handler: () => void): () => void {
    this.#onConfig.add(handler);
    return () => this.#onConfig.delete(handler);
  }

  /** Calls the handler once if the device ends other than by `close()`, or soon if it has. */
  onDown(handler: (reason: VioError) => void): () => void {
    return this.#down.subscribe(handler);
  }

  /** Calls the handler once when the device has ended, in whatever way, and no longer reaches memory. @returns takes the handler back */
  onEnd(handler: () => void): () => void {
    this.#onEnd.add(handler);
    return () => this.#onEnd.delete(handler);
  }

  close(): void {
    this.#end(errors.closed(this.path));
    this.#down.close();
  }

  #fail(reason: VioError): void {
    if (!this.open) return;
    this.#down.tell(reason);
    this.#end(reason);
  }

  /** A request that is under way keeps the descriptor until it is over: its number must not be another's by then. */
  #end(reason: VioError): void {
    if (!this.open) return;
    this.#line.end(reason);
    clearInterval(this.#watch);
    this.#configWatcher.close();
    this.#configEvent.close();
    this.#onConfig.clear();
    this.#doorbells[Symbol.dispose]();
    const release = (): void => {
      for (const handler of this.#onEnd) callApplication(handler);
      this.#onEnd.clear();
    };
    if (this.#line.busy) {
      closing.set(this.path, this.#closeWhenIdle(release));
    } else {
      closeFd(this.#fd);
      release();
    }
  }

  async #closeWhenIdle(release: () => void): Promise<void> {
    await this.#line.whenIdle();
    await closeElsewhere(this.#fd);
    release();
  }

  async #configChanged(): Promise<void> {
    if (!this.#configEvent.drain()) return;
    for (const handler of this.#onConfig) callApplication(handler);
    // A device that does not answer goes down by that.
    const status = await this.ask('reading the status', undefined, vdpa.getStatus).catch(() => 0);
    if ((status & STATUS_NEEDS_RESET) !== 0) this.#fail(errors.needsReset(this.path));
  }

  /** The kernel waits for whoever has a deleted device open, but does not say so; sysfs forgets it at once. */
  #watchNode(): NodeJS.Timeout | undefined {
    const { major, minor } = deviceNumberOf(Number(statOfFd(this.#fd).rdev));
    const node = `/sys/dev/char/${major}:${minor}`;
    if (!existsSync(node)) return undefined;
    return setInterval(() => {
      if (!existsSync(node)) this.#fail(errors.gone(this.path));
    }, watchInterval).unref();
  }
}

/** The kernel resets a device when it is opened; whoever opened this one may have used it since. */
async function resetDuplicate(given: number): Promise<number> {
  const fd = dupFd(given);
  try {
    await vdpa.setStatus(fd, 0);
    return fd;
  } catch (error) {
    void closeElsewhere(fd);
    throw error;
  }
}

/** Opens a device that nobody has, once this process has let go of it: the kernel gives it to one at a time. */
async function openClosed(path: string): Promise<number> {
  await closing.get(path);
  return vdpa.openVdpa(path);
}

/** Closing resets the device, which may take as long as anything else. Never rejects. */
function closeElsewhere(fd: number): Promise<void> {
  return new Promise((resolve) => close(fd, () => resolve()));
}
