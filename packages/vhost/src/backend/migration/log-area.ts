import { type EventFd, MappedFile, VioError, closeFd } from '@vio/native';
import { Region } from '@vio/rings';
import { DirtyLog, maxRegionSize } from '@vio/rings/internal';
import type { LogArea as LogPlace } from '../../wire/index.ts';
import { vhostError } from '../errors/vhost-error.ts';

/** The log of a guest that is moved, as its frontend shares it (SET_LOG_BASE). */
export class LogArea implements Disposable {
  readonly log: DirtyLog;
  readonly #mapping: MappedFile;

  private constructor(mapping: MappedFile, log: DirtyLog) {
    this.#mapping = mapping;
    this.log = log;
  }

  /**
   * Takes the descriptor and closes it.
   * @param onBeyond called once, when something is written that the log has no bit for
   * @throws VioError VIO_VHOST_LOG when the log is not in its file, or cannot be mapped
   */
  static map({ size, offset }: LogPlace, fd: number, onBeyond: (reason: VioError) => void): LogArea {
    try {
      if (size > maxRegionSize || offset % 8 !== 0)
        throw new RangeError(`${size} bytes at byte ${offset} of the file`);
      const mapping = MappedFile.map(fd, { offset, size });
      const { buffer, byteOffset } = mapping.bytes(0, size);
      const log = new DirtyLog(new Region(buffer, byteOffset, size), () =>
        onBeyond(vhostError('LOG', `the log of ${size} bytes has no bit for a page that was written`)),
      );
      return new LogArea(mapping, log);
    } catch (cause) {
      throw new VioError('the log of the frontend cannot be mapped', {
        code: 'VIO_VHOST_LOG',
        remedy:
          'the frontend must share a log as large as it says, from a multiple of 8 bytes on, and below 2 GiB',
        cause,
      });
    } finally {
      closeFd(fd);
    }
  }

  /** Signalled whenever something was marked; undefined: nobody wants to know. */
  set signal(event: EventFd | undefined) {
    this.log.onMarked = event === undefined ? undefined : () => event.signal();
  }

  /** True once the frontend truncated the file under us. */
  get faulted(): boolean {
    return this.#mapping.faulted;
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
  }
}
