import { VioError, closeFd } from '@vio/native';
import { controlSocket, inNetworkNamespace } from '@vio/native/internal';
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
} from '../interface/interface-ioctls.ts';
import { interfaceNamespace, interfaceOf } from './tun-ioctls.ts';

/**
 * The interface of a tap, found by a descriptor of one of its queues: others may rename it and move it to another
 * network namespace while it is open.
 * @throws VioError from what asks the kernel: VIO_TAP_GONE once it was deleted, VIO_TAP_ELSEWHERE where this process
 *   may not look, VIO_INTERFACE_*
 */
export class TapInterface {
  readonly #queue: number;
  #socket: number;
  #name: string;
  #closed = false;

  /** @param queue stays the caller's */
  constructor(queue: number) {
    this.#queue = queue;
    this.#name = interfaceOf(queue).name;
    this.#socket = controlSocket();
  }

  /** As it is called now; of a deleted one, as it was called last. */
  get name(): string {
    if (this.#closed) return this.#name;
    try {
      this.#name = interfaceOf(this.#queue).name;
    } catch {
      // Gone: what asks the kernel for more says so.
    }
    return this.#name;
  }

  /** The kernel's number of it. */
  get index(): number {
    return interfaceIndex(...this.#find());
  }

  /** As in `02:00:00:00:00:01`. */
  get mac(): string {
    return interfaceMac(this.#queue, interfaceOf(this.#queue).name);
  }

  set mac(mac: string) {
    setInterfaceMac(...this.#find(), mac);
  }

  /** Bytes. */
  get mtu(): number {
    return interfaceMtu(...this.#find());
  }

  set mtu(mtu: number) {
    setInterfaceMtu(...this.#find(), mtu);
  }

  /** Whether the administrator wants it up. */
  get up(): boolean {
    return (interfaceFlags(...this.#find()) & IFF_UP) !== 0;
  }

  set up(up: boolean) {
    const [socket, name] = this.#find();
    const flags = interfaceFlags(socket, name);
    setInterfaceFlags(socket, name, up ? flags | IFF_UP : flags & ~IFF_UP);
  }

  /** Whether frames can pass; the kernel takes up to a second to notice a carrier. */
  get running(): boolean {
    return (interfaceFlags(...this.#find()) & IFF_RUNNING) !== 0;
  }

  close(): void {
    this.#closed = true;
    closeFd(this.#socket);
  }

  /** @returns a socket that sees it, and its name there */
  #find(): readonly [socket: number, name: string] {
    this.#name = interfaceOf(this.#queue).name;
    if (!this.#sees(this.#name)) this.#follow();
    return [this.#socket, this.#name];
  }

  /** Whether what the socket sees by this name is the tap, not another interface that has taken its place. */
  #sees(name: string): boolean {
    try {
      return interfaceMac(this.#socket, name) === interfaceMac(this.#queue, name);
    } catch {
      return false;
    }
  }

  /** Goes after it to its network namespace. */
  #follow(): void {
    let namespace = -1;
    try {
      namespace = interfaceNamespace(this.#queue);
      const socket = inNetworkNamespace(`/proc/self/fd/${namespace}`, controlSocket);
      closeFd(this.#socket);
      this.#socket = socket;
    } catch (cause) {
      throw elsewhere(this.#name, cause);
    } finally {
      if (namespace !== -1) closeFd(namespace);
    }
  }
}

function elsewhere(name: string, cause: unknown): VioError {
  if (VioError.is(cause) && cause.code === 'VIO_TAP_GONE') return cause;
  return new VioError(`the tap ${name} is in a network namespace that this process may not look into`, {
    code: 'VIO_TAP_ELSEWHERE',
    remedy: 'run in that network namespace, or with CAP_NET_ADMIN and CAP_SYS_ADMIN',
    cause,
  });
}
