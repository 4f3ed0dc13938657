import { VioError, closeFd } from '@vio/native';
import { PacketSocket, controlSocket } from '@vio/native/internal';
import {
  IFF_RUNNING,
  IFF_UP,
  interfaceFlags,
  interfaceIndex,
  interfaceMac,
  interfaceMtu,
  isEthernet,
} from './interface-ioctls.ts';

/** What an interface is like: frames pass; it is set down; it has no carrier; there is none of the name, or another one. */
export type InterfaceState = 'up' | 'down' | 'no-carrier' | 'missing';

/** An interface that is there already, by its name in the network namespace of this thread: a card, a veth, a bridge's port. */
export class KernelInterface implements Disposable {
  /** Of the interface. */
  readonly name: string;
  readonly #socket = controlSocket();
  #packets: PacketSocket | undefined;
  /** Of the interface that was opened. */
  #index = 0;
  #closed = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Of the one that was opened last, if one was: another of its name is not meant. */
  get state(): InterfaceState {
    try {
      const index = interfaceIndex(this.#socket, this.name);
      if (this.#packets !== undefined && index !== this.#index) return 'missing';
      const flags = interfaceFlags(this.#socket, this.name);
      if ((flags & IFF_UP) === 0) return 'down';
      return (flags & IFF_RUNNING) === 0 ? 'no-carrier' : 'up';
    } catch (error) {
      if (VioError.is(error) && error.code === 'VIO_INTERFACE_MISSING') return 'missing';
      throw error;
    }
  }

  /** As in `02:00:00:00:00:01`. */
  get mac(): string {
    return interfaceMac(this.#socket, this.name);
  }

  /** Bytes. */
  get mtu(): number {
    return interfaceMtu(this.#socket, this.name);
  }

  /**
   * Takes its frames, and those of no other interface of the name from now on; what was opened before is closed.
   * @param memory that frames lie in @param capacity frames of a call @throws VioError VIO_INTERFACE_*
   */
  open(memory: Uint8Array<ArrayBuffer>, capacity: number): PacketSocket {
    this.release();
    if (!isEthernet(this.#socket, this.name)) {
      throw new VioError(`the interface ${this.name} has no Ethernet frames`, {
        code: 'VIO_INTERFACE_TYPE',
        remedy: 'name a card, a veth or a bridge: no tunnel, and not the loopback',
      });
    }
    this.#index = interfaceIndex(this.#socket, this.name);
    this.#packets = new PacketSocket(this.#index, memory, capacity);
    return this.#packets;
  }

  /** Lets go of what was opened. */
  release(): void {
    this.#packets?.close();
    this.#packets = undefined;
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
    closeFd(this.#socket);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
