import { constants } from 'node:buffer';
import { VioError } from '../error.ts';
import { sizeOfFd } from '../fds/fd.ts';

/** Node 20 has no buffers over 4 GiB. */
export function checkSize(size: number): void {
  if (Number.isSafeInteger(size) && size > 0 && size <= constants.MAX_LENGTH) return;
  throw new VioError(`${size} bytes are not a size this version of Node can map`, {
    code: 'VIO_MEMORY_RANGE',
    remedy: `ask for 1 to ${constants.MAX_LENGTH} bytes; larger memory can be mapped in parts, by offset`,
  });
}

/** @throws VioError VIO_MEMORY_RANGE for bytes that a file does not have */
export function checkInFile(fd: number, offset: number, size: number): void {
  const bytes = sizeOfFd(fd);
  if (Number.isSafeInteger(size) && size > 0 && Number.isSafeInteger(offset) && offset >= 0) {
    if (offset + size <= bytes) return;
  }
  throw new VioError(`${size} bytes at offset ${offset} are beyond the ${bytes} of the file`, {
    code: 'VIO_MEMORY_RANGE',
    remedy: 'share a file that is as large as the region says',
  });
}
