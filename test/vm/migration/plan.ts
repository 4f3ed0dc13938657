import type { Found } from './held-frames.ts';

/** The guest's address, and that of the host it talks to. */
export const guestAddress = '10.1.0.1';
export const hostAddress = '10.1.0.2';
/** TCP: the host sends bytes to the guest by one port, and gets them back by the other. */
export const port = { to: 5000, back: 5001 };
export const pairs = 4;
/** Bytes behind the Ethernet header. */
export const mtu = 9000;

export interface Plan {
  readonly packed: boolean;
  /** How often the guest goes to the other side. */
  readonly moves: number;
  /** Its memory follows it, page by page. */
  readonly postcopy: boolean;
  readonly vmlinux: string;
  readonly initramfs: string;
  /** The program that is a backend. */
  readonly backend: string;
  readonly directory: string;
}

/** What became of a plan. */
export interface Journey {
  /** Bytes that came back to the host while each move went on. */
  readonly meanwhile: readonly number[];
  /** After each move, whether the guest answered the host. */
  readonly answers: readonly boolean[];
  /** The states that each move went through, as QEMU calls them. */
  readonly moves: readonly (readonly string[])[];
  /** Bytes that were sent, and that came back as they were; -1: some did not. */
  readonly sent: number;
  readonly back: number;
  /** After each move: the frames that came before its end, and were not looked at. */
  readonly frames: readonly Found[];
  /** What the guest said last. */
  readonly guest: readonly string[];
  /** What the backends said, a line each. */
  readonly backends: readonly string[];
}
