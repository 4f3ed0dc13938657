/** Where a guest finds what it is to do, and asks for what this machine is to do: a directory of this machine's that it sees. */
export interface CryptoPlan {
  readonly directory: string;
  /** The name of QEMU's socket to the card. */
  readonly chardev: string;
}

/**
 * Requests of a file of the directory, one a line; one of them again and again, by so many sessions; the driver goes; the card is killed, and
 * has a successor that QEMU is connected to; the driver comes back.
 */
export type CryptoStep =
  | readonly ['sh', line: string]
  | readonly ['ciphers', file: string]
  | readonly ['repeat', file: string, sessions: number]
  | readonly ['unbind']
  | readonly ['kill']
  | readonly ['bind'];
