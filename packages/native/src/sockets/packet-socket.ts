import { addon } from '../addon.ts';
import { closeFd } from '../fds/fd.ts';
import { holdable } from '../kernels/copy.ts';
import { packetFrameWords } from '../kernels/layouts.ts';
import { attempt } from '../system-error.ts';

const known = {
  EPERM: { code: 'VIO_INTERFACE_PERMISSION', remedy: 'run with CAP_NET_RAW' },
  ENODEV: {
    code: 'VIO_INTERFACE_MISSING',
    remedy: 'the interface was deleted, or moved to another network namespace: open it again',
    retryable: true,
  },
  EAFNOSUPPORT: {
    code: 'VIO_INTERFACE_UNAVAILABLE',
    remedy: 'use a kernel with packet sockets (CONFIG_PACKET)',
  },
  ENOPROTOOPT: { code: 'VIO_INTERFACE_UNAVAILABLE', remedy: 'use Linux 4.20 or newer' },
};

/** Of Linux (asm-generic/errno.h). */
const ENETDOWN = 100;

/**
 * The Ethernet frames of an interface of this kernel (packet(7)): all that come in by it, whoever they are for, and none that this
 * machine sends. A virtio-net header of ten bytes is in front of each. Frames lie in memory of the caller's, and are described by
 * the words `packetFrame` of two lists.
 */
export class PacketSocket implements Disposable {
  /** What `receive` fills: the caller says where there is room. */
  readonly incoming: Int32Array<ArrayBuffer>;
  /** What `send` sends. */
  readonly outgoing: Int32Array<ArrayBuffer>;
  #fd: number;
  readonly #bursts: ReturnType<typeof addon.createPacketBursts>;

  /**
   * @param index the kernel's number of the interface
   * @param memory that all frames lie in; untransferable from now on
   * @param capacity frames of a call
   * @throws VioError VIO_INTERFACE_PERMISSION, _MISSING, _UNAVAILABLE
   */
  constructor(index: number, memory: Uint8Array<ArrayBuffer>, capacity: number) {
    this.incoming = new Int32Array(capacity * packetFrameWords);
    this.outgoing = new Int32Array(capacity * packetFrameWords);
    for (const { buffer, byteOffset, byteLength } of [memory, this.incoming, this.outgoing])
      holdable(buffer, byteOffset, byteLength);
    this.#fd = attempt(() => addon.packetOpen(index), `open a packet socket on interface ${index}`, known);
    this.#bursts = addon.createPacketBursts(this.#fd, memory, this.incoming, this.outgoing);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Fills the first entries of `incoming`. @returns how many; -errno: none, and why, as `-EAGAIN` */
  receive(count: number): number {
    return this.#fd === -1 ? -ENETDOWN : this.#bursts.receive(count);
  }

  /** Sends entries of `outgoing`. @returns how many of them; -errno: the first one cannot be sent, and why */
  send(from: number, count: number): number {
    return this.#fd === -1 ? -ENETDOWN : this.#bursts.send(from, count);
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd === -1) return;
    closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
