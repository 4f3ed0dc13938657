/** Direction bits of an ioctl number, seen from the process. */
const WRITE = 1;
const READ = 2;

function number(direction: number, type: number, nr: number, bytes: number): number {
  return ((direction << 30) | (bytes << 16) | (type << 8) | nr) >>> 0;
}

/** Ioctl numbers as the kernel's _IO, _IOR, _IOW and _IOWR make them. @param bytes size of the structure */
export const io = (type: number, nr: number): number => number(0, type, nr, 0);
export const ior = (type: number, nr: number, bytes: number): number => number(READ, type, nr, bytes);
export const iow = (type: number, nr: number, bytes: number): number => number(WRITE, type, nr, bytes);
export const iowr = (type: number, nr: number, bytes: number): number =>
  number(READ | WRITE, type, nr, bytes);
