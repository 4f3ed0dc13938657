import { VioError } from './error.ts';

/** Second names of the same numbers. */
const aliases = new Set(['EWOULDBLOCK', 'ENOTSUP']);

/** Errnos of Linux that Node has no names for (asm-generic/errno.h). */
const unnamed = { EBADFD: 77 };

/** By number; made when the first call fails, as nothing else needs the module of Node that knows them. */
let names: ReadonlyMap<number, string> | undefined;

function nameOf(errno: number): string {
  names ??= new Map(
    Object.entries({ ...process.getBuiltinModule('node:os').constants.errno, ...unnamed })
      .filter(([name]) => !aliases.has(name))
      .map(([name, value]) => [value, name]),
  );
  return names.get(errno) ?? `E${errno}`;
}

const remedies: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files (ulimit -n), or close ports that are no longer used',
  ENFILE: 'the whole machine is out of open files: raise fs.file-max',
  ENOMEM: 'free memory, or ask for less',
  EACCES: 'run as a user who may use it, or change its permissions',
  EPERM: 'run with the capability this needs, or as a user who may do it',
};

/** What a native call threw: `errno` and `syscall`; `code` is added when it becomes a cause. */
interface NativeFailure {
  readonly errno: number;
  readonly syscall: string;
  code?: string;
}

function isNativeFailure(error: unknown): error is NativeFailure {
  return error instanceof Error && 'errno' in error && 'syscall' in error;
}

/** The errno name (`ENOENT`) of a failed native call, or undefined if it was none. */
export function errnoName(error: unknown): string | undefined {
  return isNativeFailure(error) ? nameOf(error.errno) : undefined;
}

/** What particular errnos of a call mean, by `ERRNO`, or by `syscall ERRNO` for one of several system calls. */
export type KnownErrors = Readonly<Record<string, KnownError>>;

/** What one errno means. */
export interface KnownError {
  /** As in `VioError.code`. */
  readonly code: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Whether trying again may help. */
  readonly retryable?: boolean;
}

/**
 * Turns a failed native call into a VioError: code `VIO_SYS_<ERRNO>`, or one of `known` for the errnos that mean
 * something particular here, `ERRNO` from any call or `syscall ERRNO` from one. The cause has Node's `code`,
 * `errno` and `syscall`.
 * @param what the thing that was tried, for the message: "cannot " + what
 */
export function systemError(error: unknown, what: string, known: KnownErrors = {}): unknown {
  const name = errnoName(error);
  if (!isNativeFailure(error) || name === undefined) return error;
  const { syscall } = error;
  error.code = name;
  const details = known[`${syscall} ${name}`] ??
    known[name] ?? {
      code: `VIO_SYS_${name}`,
      remedy: remedies[name] ?? `look up ${name} in the manual page of ${syscall}`,
    };
  return new VioError(`cannot ${what}: ${syscall} says ${name}`, { ...details, cause: error });
}

/** Runs a native call; a failure becomes the VioError of `systemError`. */
export function attempt<T>(call: () => T, what: string, known?: KnownErrors): T {
  try {
    return call();
  } catch (error) {
    throw systemError(error, what, known);
  }
}
