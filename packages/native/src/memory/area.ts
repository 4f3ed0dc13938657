import { addon } from '../addon.ts';
import { attempt } from '../system-error.ts';
import { keepInThread, keepsExternal, refuseTransfer } from '../untransferable.ts';

/** As in native/memory.cc. */
const flags = { populate: 1, lock: 2, within: 4 };

export interface AreaOptions {
  readonly offset: number;
  readonly size: number;
  readonly populate?: boolean;
  readonly lock?: boolean;
  /** The offset need not be a multiple of the page size of the file. */
  readonly within?: boolean;
}

/** A mapping, which belongs to the thread that made it. It goes with this object and all buffers of it, if not before. */
export type Area = object;

/** Maps a part of a file. @throws VioError VIO_MEMORY_MAPPINGS, VIO_MEMORY_LOCK, or what `known` says */
export function mapArea(fd: number, options: AreaOptions, known: Parameters<typeof attempt>[2] = {}): Area {
  const { offset, size, populate = false, lock = false, within = false } = options;
  const wanted = (populate ? flags.populate : 0) | (lock ? flags.lock : 0) | (within ? flags.within : 0);
  return attempt(() => addon.mapFd(fd, offset, size, wanted), `map ${size} bytes of shared memory`, {
    ...known,
    ...mapErrors,
  });
}

/** V8 counts what an external buffer of Node's has, until it is told otherwise: so much at a time is no reason to collect garbage. */
const largestOfNode = 32 << 20;

/** A buffer that ends with these bytes of an area, and begins with the page they begin in. */
export function viewOfArea(area: Area, offset: number, size: number): ArrayBuffer {
  const ofNode = !addon.uncountedBuffers || (keepsExternal && size <= largestOfNode);
  const buffer = attempt(
    () => addon.areaView(area, offset, size, ofNode),
    `see ${size} bytes of shared memory`,
  );
  // Node has done so with its own, and must not find a lock there when it detaches them at the end of a worker thread.
  if (!ofNode) keepInThread(buffer);
  if (addon.uncountedBuffers) refuseTransfer(buffer);
  mappings.add(buffer);
  return buffer;
}

const mappings = new WeakSet<ArrayBuffer>();

/** True for a buffer of an area: it is untransferable already. */
export function isMapping(buffer: ArrayBuffer): boolean {
  return mappings.has(buffer);
}

const lockError = {
  code: 'VIO_MEMORY_LOCK',
  remedy:
    'raise RLIMIT_MEMLOCK (ulimit -l, or LimitMEMLOCK= of the service), or do not ask for locked memory',
};
const mapErrors = {
  'mmap EMFILE': {
    code: 'VIO_MEMORY_MAPPINGS',
    remedy: 'close mappings that are no longer used: a process may have 32768 of them',
  },
  'mlock EPERM': lockError,
  'mlock EAGAIN': lockError,
  'mlock ENOMEM': lockError,
};
