/** Direction bits of an ioctl number, seen from the process. */
const WRITE = 1;
const READ = 2;

function number(direction: number, type: number, nr: number, bytes: number): number {
  return ((direction << 30) | (bytes << 16) | (type << 8) | nr) >>> 0;
}

/** An ioctl number as the kernel's `_IO` makes it: nothing goes either way. */
export const io = (type: number, nr: number): number => number(0, type, nr, 0);
/** As `_IOR`: the kernel answers. @param bytes size of the structure */
export const ior = (type: number, nr: number, bytes: number): number => number(READ, type, nr, bytes);
/** As `_IOW`: the kernel is given something. @param bytes size of the structure */
export const iow = (type: number, nr: number, bytes: number): number => number(WRITE, type, nr, bytes);
/** As `_IOWR`: both. @param bytes size of the structure */
export const iowr = (type: number, nr: number, bytes: number): number =>
  number(READ | WRITE, type, nr, bytes);
