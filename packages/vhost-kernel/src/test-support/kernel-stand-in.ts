/** A call that went to the kernel's place: which request or message, and the bytes or the number given. */
export interface KernelCall {
  readonly fd: number;
  readonly request: number;
  readonly given: readonly number[] | number;
}

/** Stands in for the kernel: notes what it is asked, and answers what it is told. */
export class KernelStandIn {
  readonly calls: KernelCall[] = [];
  /** Put into the bytes of the next call, from the start. */
  answers: Uint8Array[] = [];

  readonly ioctl = (fd: number, request: number, given: Uint8Array | number): number => {
    this.calls.push({ fd, request, given: typeof given === 'number' ? given : [...given] });
    const answer = this.answers.shift();
    if (answer !== undefined && typeof given !== 'number') given.set(answer);
    return 0;
  };

  readonly ioctlAsync = (fd: number, request: number, given: Uint8Array): Promise<number> =>
    Promise.resolve(this.ioctl(fd, request, given));

  readonly writeAsync = (fd: number, message: Uint8Array): Promise<void> => {
    this.calls.push({ fd, request: 0, given: [...message] });
    return Promise.resolve();
  };

  /** The last call, and forgets all. */
  take(): KernelCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('nothing was asked');
    this.calls.length = 0;
    return call;
  }
}

/** Bytes of little-endian numbers of 16, 32 and 64 bits, as in `[['u32', 1], ['u64', 2n]]`. */
export function packed(
  fields: readonly (readonly ['u8' | 'u16' | 'u32' | 'u64', number | bigint])[],
): number[] {
  const widths = { u8: 1, u16: 2, u32: 4, u64: 8 };
  return fields.flatMap(([type, value]) =>
    Array.from({ length: widths[type] }, (_, i) =>
      Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 0xffn),
    ),
  );
}
