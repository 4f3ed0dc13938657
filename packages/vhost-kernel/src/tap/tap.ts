import { VioError, closeFd } from '@vio/native';
import { inNetworkNamespace } from '@vio/native/internal';
import { checkTapOptions, type TapOptions } from './tap-options.ts';
import { TapInterface } from './tap-interface.ts';
import {
  IFF_DETACH_QUEUE,
  IFF_MULTI_QUEUE,
  IFF_NAPI,
  IFF_NO_PI,
  IFF_TAP,
  IFF_VNET_HDR,
  interfaceOf,
  openTun,
  setCarrier,
  setGroup,
  setHeaderBytes,
  setInterface,
  setOffloads,
  setOwner,
  setPersistent,
  setQueueAttached,
  setSendBuffer,
  setSingleQueue,
  tunFeatures,
} from './tun-ioctls.ts';

/**
 * A tap interface: what the kernel sends on it, this process reads, and the other way round. One descriptor per
 * queue; each may be read and written frame by frame, or given to vhost-net.
 */
export class Tap implements Disposable {
  /** One descriptor per queue. They stay the tap's. */
  readonly fds: readonly number[];
  /** True when frames have a virtio-net header in front. */
  readonly virtioHeader: boolean;
  /** The interface has several queues. */
  readonly multiQueue: boolean;
  readonly #interface: TapInterface;
  /** By queue: whether it takes part. */
  readonly #attached: boolean[];
  #open = true;

  /**
   * Creates a tap, or attaches to one that exists.
   * @throws VioError VIO_TAP_UNAVAILABLE, VIO_TAP_PERMISSION, VIO_TAP_NAME, VIO_TAP_IN_USE, VIO_TAP_MISMATCH,
   *   VIO_TAP_QUEUES, VIO_NETNS_*, VIO_INTERFACE_*, VIO_OPTION_UNKNOWN
   */
  static open(options: TapOptions = {}): Tap {
    checkTapOptions(options);
    const create = () => Tap.#create(options);
    return options.netns === undefined ? create() : inNetworkNamespace(options.netns, create);
  }

  /**
   * Takes over descriptors of a tap that somebody else has opened, one for each queue. They belong to the tap then;
   * after a failure they are still the caller's.
   * @throws VioError VIO_TAP_MISMATCH when they are not all queues of one tap, VIO_TAP_GONE
   */
  static adopt(fds: readonly number[]): Tap {
    const queues = fds.map((fd) => interfaceOf(fd));
    const [first] = queues;
    if (first === undefined) throw mismatch('there is no descriptor');
    if ((first.flags & IFF_TAP) === 0) throw mismatch(`${first.name} is a tun, not a tap`);
    const other = queues.find(({ name }) => name !== first.name);
    if (other !== undefined) throw mismatch(`${first.name} and ${other.name} are two taps`);
    return new Tap(fds, queues);
  }

  static #create(options: TapOptions): Tap {
    const queues = options.queues ?? 1;
    const fds: number[] = [];
    let tap: Tap | undefined;
    try {
      fds.push(openTun());
      const features = tunFeatures(fds[0]);
      const flags =
        IFF_TAP |
        IFF_NO_PI |
        (options.virtioHeader === undefined ? 0 : IFF_VNET_HDR) |
        (features & IFF_NAPI) |
        (queues > 1 ? IFF_MULTI_QUEUE : 0);
      const attach = queues > 1 ? setInterface : setSingleQueue;
      const name = attach(fds[0], options.name ?? 'tap%d', flags);
      while (fds.length < queues) {
        fds.push(openTun());
        setInterface(fds[fds.length - 1], name, flags);
      }
      const attached = fds.map((fd) => interfaceOf(fd));
      checkHeaders(attached[0], options.virtioHeader !== undefined);
      tap = new Tap(fds, attached);
      tap.#configure(options);
      return tap;
    } catch (error) {
      if (tap === undefined) for (const fd of fds) closeFd(fd);
      tap?.close();
      throw error;
    }
  }

  private constructor(fds: readonly number[], queues: readonly { readonly flags: number }[]) {
    const [{ flags }] = queues;
    this.fds = [...fds];
    this.virtioHeader = (flags & IFF_VNET_HDR) !== 0;
    this.multiQueue = (flags & IFF_MULTI_QUEUE) !== 0;
    this.#attached = queues.map((queue) => (queue.flags & IFF_DETACH_QUEUE) === 0);
    this.#interface = new TapInterface(fds[0]);
  }

  #configure(options: TapOptions): void {
    if (options.virtioHeader !== undefined) this.setHeaderBytes(options.virtioHeader);
    if (options.offloads !== undefined) this.setOffloads(options.offloads);
    if (options.sendBuffer !== undefined) this.setSendBuffer(options.sendBuffer);
    if (options.uid !== undefined) setOwner(this.fds[0], options.uid);
    if (options.gid !== undefined) setGroup(this.fds[0], options.gid);
    if (options.persistent !== undefined) setPersistent(this.fds[0], options.persistent);
    if (options.mac !== undefined) this.mac = options.mac;
    if (options.mtu !== undefined) this.mtu = options.mtu;
    if (options.up !== undefined) this.up = options.up;
  }

  /** As the interface is called now: others may rename it. Of a deleted one, as it was called last. */
  get name(): string {
    return this.#interface.name;
  }

  /** The kernel's number of the interface. */
  get index(): number {
    return this.#interface.index;
  }

  /** As in `02:00:00:00:00:01`. */
  get mac(): string {
    return this.#interface.mac;
  }

  set mac(mac: string) {
    this.#interface.mac = mac;
  }

  /** Bytes. */
  get mtu(): number {
    return this.#interface.mtu;
  }

  set mtu(mtu: number) {
    this.#interface.mtu = mtu;
  }

  /** Whether the administrator wants it up. */
  get up(): boolean {
    return this.#interface.up;
  }

  set up(up: boolean) {
    this.#interface.up = up;
  }

  /** Whether frames can pass: it is up, and has a carrier, which the kernel takes up to a second to notice. */
  get running(): boolean {
    return this.#interface.running;
  }

  /** @param on what the kernel is to think of the cable; it does at first */
  setCarrier(on: boolean): void {
    setCarrier(this.fds[0], on);
  }

  /** @param offloads TUN_F_* bits: what this process takes off the kernel's hands */
  setOffloads(offloads: number): void {
    for (const fd of this.fds) setOffloads(fd, offloads);
  }

  /** @param bytes of the virtio-net header, 10 or 12 */
  setHeaderBytes(bytes: number): void {
    for (const fd of this.fds) setHeaderBytes(fd, bytes);
  }

  /** @param bytes on their way to this process before senders have to wait */
  setSendBuffer(bytes: number): void {
    for (const fd of this.fds) setSendBuffer(fd, bytes);
  }

  /**
   * Lets a queue of a multi-queue tap take part, or not: the kernel puts frames on those that do. The only queue of
   * another tap always does.
   */
  setQueueAttached(queue: number, attached: boolean): void {
    if (!this.multiQueue || this.#attached[queue] === attached) return;
    setQueueAttached(this.fds[queue], attached);
    this.#attached[queue] = attached;
  }

  /** Lets go of the descriptors; an interface that is not persistent goes with the last of them. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#interface.close();
    for (const fd of this.fds) closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Who holds a queue of a multi-queue tap has decided for all of them whether there are headers; the kernel says nothing. */
function checkHeaders(
  { name, flags }: { readonly name: string; readonly flags: number },
  asked: boolean,
): void {
  const has = (flags & IFF_VNET_HDR) !== 0;
  if (has === asked) return;
  throw new VioError(`another process holds ${name} ${has ? 'with' : 'without'} virtio-net headers`, {
    code: 'VIO_TAP_MISMATCH',
    remedy: `open it as that process did (${has ? 'with' : 'without'} virtioHeader), or choose another name`,
  });
}

function mismatch(what: string): VioError {
  return new VioError(what, {
    code: 'VIO_TAP_MISMATCH',
    remedy: 'give the descriptors of one tap (IFF_TAP), one for each of its queues',
  });
}
