import { closeFd, controlSocket, inNetworkNamespace } from '@vio/native';
import {
  IFF_RUNNING,
  IFF_UP,
  interfaceFlags,
  interfaceIndex,
  interfaceMac,
  interfaceMtu,
  setInterfaceFlags,
  setInterfaceMac,
  setInterfaceMtu,
} from './interface-ioctls.ts';
import { checkTapOptions, type TapOptions } from './tap-options.ts';
import {
  IFF_MULTI_QUEUE,
  IFF_NAPI,
  IFF_NO_PI,
  IFF_TAP,
  IFF_VNET_HDR,
  interfaceOf,
  openTun,
  setGroup,
  setHeaderBytes,
  setInterface,
  setOffloads,
  setOwner,
  setPersistent,
  setQueueAttached,
  setSendBuffer,
  tunFeatures,
} from './tun-ioctls.ts';

/**
 * A tap interface: what the kernel sends on it, this process reads, and the other way round. One descriptor per
 * queue; each may be read and written frame by frame, or given to vhost-net.
 */
export class Tap implements Disposable {
  readonly name: string;
  /** One descriptor per queue. They stay the tap's. */
  readonly fds: readonly number[];
  /** True when frames have a virtio-net header in front. */
  readonly virtioHeader: boolean;
  readonly multiQueue: boolean;
  readonly #socket: number;
  #open = true;

  /**
   * Creates a tap, or attaches to one that exists.
   * @throws VioError VIO_TAP_UNAVAILABLE, VIO_TAP_PERMISSION, VIO_TAP_NAME, VIO_TAP_IN_USE, VIO_TAP_MISMATCH,
   *   VIO_TAP_QUEUES, VIO_NETNS_*, VIO_INTERFACE_*
   */
  static open(options: TapOptions = {}): Tap {
    checkTapOptions(options);
    const create = () => Tap.#create(options);
    return options.netns === undefined ? create() : inNetworkNamespace(options.netns, create);
  }

  /**
   * Takes over descriptors of a tap that somebody else has opened, one for each queue. They belong to the tap then.
   * @throws VioError VIO_TAP_MISMATCH when they are no queues of one tap
   */
  static adopt(fds: readonly number[]): Tap {
    const { name, flags } = interfaceOf(fds[0] ?? -1);
    return new Tap(name, fds, flags, controlSocket());
  }

  static #create(options: TapOptions): Tap {
    const queues = options.queues ?? 1;
    const fds: number[] = [];
    let socket = -1;
    try {
      fds.push(openTun());
      const features = tunFeatures(fds[0]);
      const flags =
        IFF_TAP |
        IFF_NO_PI |
        (options.virtioHeader === undefined ? 0 : IFF_VNET_HDR) |
        (features & IFF_NAPI) |
        (queues > 1 ? IFF_MULTI_QUEUE : 0);
      const name = setInterface(fds[0], options.name ?? 'tap%d', flags);
      while (fds.length < queues) {
        fds.push(openTun());
        setInterface(fds[fds.length - 1], name, flags);
      }
      socket = controlSocket();
      const tap = new Tap(name, fds, flags, socket);
      tap.#configure(options);
      return tap;
    } catch (error) {
      for (const fd of socket === -1 ? fds : [...fds, socket]) closeFd(fd);
      throw error;
    }
  }

  private constructor(name: string, fds: readonly number[], flags: number, socket: number) {
    this.name = name;
    this.fds = [...fds];
    this.virtioHeader = (flags & IFF_VNET_HDR) !== 0;
    this.multiQueue = (flags & IFF_MULTI_QUEUE) !== 0;
    this.#socket = socket;
  }

  #configure(options: TapOptions): void {
    if (options.virtioHeader !== undefined) this.setHeaderBytes(options.virtioHeader);
    for (const fd of this.fds) {
      if (options.offloads !== undefined) setOffloads(fd, options.offloads);
      if (options.sendBuffer !== undefined) setSendBuffer(fd, options.sendBuffer);
    }
    if (options.uid !== undefined) setOwner(this.fds[0], options.uid);
    if (options.gid !== undefined) setGroup(this.fds[0], options.gid);
    if (options.persistent !== undefined) setPersistent(this.fds[0], options.persistent);
    if (options.mac !== undefined) this.mac = options.mac;
    if (options.mtu !== undefined) this.mtu = options.mtu;
    if (options.up !== undefined) this.up = options.up;
  }

  /** The kernel's number of the interface. */
  get index(): number {
    return interfaceIndex(this.#socket, this.name);
  }

  /** As in `02:00:00:00:00:01`. */
  get mac(): string {
    return interfaceMac(this.#socket, this.name);
  }

  set mac(mac: string) {
    setInterfaceMac(this.#socket, this.name, mac);
  }

  /** Bytes. */
  get mtu(): number {
    return interfaceMtu(this.#socket, this.name);
  }

  set mtu(mtu: number) {
    setInterfaceMtu(this.#socket, this.name, mtu);
  }

  /** Whether the administrator wants it up. */
  get up(): boolean {
    return (interfaceFlags(this.#socket, this.name) & IFF_UP) !== 0;
  }

  set up(up: boolean) {
    const flags = interfaceFlags(this.#socket, this.name);
    setInterfaceFlags(this.#socket, this.name, up ? flags | IFF_UP : flags & ~IFF_UP);
  }

  /** Whether frames can pass. */
  get running(): boolean {
    return (interfaceFlags(this.#socket, this.name) & IFF_RUNNING) !== 0;
  }

  /** @param offloads TUN_F_* bits: what this process takes off the kernel's hands */
  setOffloads(offloads: number): void {
    for (const fd of this.fds) setOffloads(fd, offloads);
  }

  /** @param bytes of the virtio-net header, 10 or 12 */
  setHeaderBytes(bytes: number): void {
    for (const fd of this.fds) setHeaderBytes(fd, bytes);
  }

  /** Lets a queue of a multi-queue tap take part, or not. */
  setQueueAttached(queue: number, attached: boolean): void {
    setQueueAttached(this.fds[queue], attached);
  }

  /** Lets go of the descriptors; an interface that is not persistent goes with the last of them. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const fd of [...this.fds, this.#socket]) closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
