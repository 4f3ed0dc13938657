import { env } from './supported-node.ts';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { platformProblem } from '../scripts/machine.mjs';
import { isProgram } from '../scripts/program.mjs';
import { hostTarget, placeOf } from '../scripts/targets.mjs';
import { VioError } from './error.ts';
import type { KernelWindows } from './kernels/chains-kernel.ts';
import type { DriverKernel, DriverKernelParts } from './kernels/kernel-parts.ts';
import type { NotedRings, NotesKernel } from './kernels/notes-kernel.ts';

/**
 * How readiness of descriptors is learned. `events`: 1 readable, 2 writable, 4 hangup. `kind`: of an event that is drained before the
 * callback, which hears 1 then, or 4 when there was nothing; -1 of other descriptors.
 */
interface WatchEngine {
  watch(fd: number, events: number, callback: (events: number) => void, kind: number): object;
  unwatch(watcher: object): void;
  reference(watcher: object, referenced: boolean): void;
  /** Not where another thread waits: it would tell again. */
  late?(watcher: object, late: boolean): void;
}

/** The C++ functions, one per system call or kernel. Failures are thrown with `errno` and `syscall`. */
export interface Addon {
  readonly pageSize: number;
  memfdCreate(name: string, size: number, hugeShift: number, take: boolean): number;
  mapFd(fd: number, offset: number, size: number, flags: number): object;
  /** Buffers of areas are our own, not Node's, which makes its own untransferable. */
  readonly uncountedBuffers: boolean;
  /** Has the buffer never be detached; false: this runtime has no way to. */
  lockBuffer(buffer: ArrayBufferLike): boolean;
  /** An external buffer of Node's, of zeroes. */
  zeroedBuffer(size: number): ArrayBuffer;
  /** `ofNode`: the buffer is an external one of Node's. */
  areaView(area: object, offset: number, size: number, ofNode: boolean): ArrayBuffer;
  closeArea(area: object): void;
  areaFaulted(area: object): boolean;
  seals(fd: number): number;
  faultsOpen(timeoutMs: number): object;
  faultsFd(faults: object): number;
  faultsAdd(faults: object, area: object): bigint;
  faultsExpired(faults: object): boolean;
  faultsEnd(faults: object): void;
  eventFdCreate(): number;
  /** 0 eventfd, 1 pipe, 2 socket, 3 anything else. */
  eventKind(fd: number): number;
  eventFdSignal(fd: number, kind: number): void;
  eventFdDrain(fd: number, kind: number): boolean;
  createEventWait(
    fds: Int32Array,
    kinds: Int32Array,
    signalled: Int32Array,
    wakeMs: number,
  ): { readonly wait: (timeoutMs: number) => number; readonly take: () => void; readonly fds: number[] };
  closeFd(fd: number): void;
  ownFd(fd: number): void;
  disownFd(fd: number): void;
  dupFd(fd: number): number;
  setNonBlocking(fd: number): void;
  getAffinity(): number[];
  setAffinity(cpus: readonly number[]): void;
  cpuFeatures(): { avx2: boolean; avx512f: boolean; neon: boolean };
  resourceLimit(name: string): [number, number];
  socketListen(
    path: string,
    backlog: number,
    mode: number,
    uid: number,
    gid: number,
  ): { fd: number; device: number; inode: number };
  tcpListen(address: string, port: number, backlog: number): number;
  tcpAddress(fd: number): [address: string, port: number] | undefined;
  socketConnect(path: string): number;
  socketAccept(fd: number): number;
  socketPair(): [number, number];
  socketSend(fd: number, bytes: Uint8Array, fds: readonly number[]): number;
  socketReceive(fd: number, bytes: Uint8Array, fds: number[]): number;
  socketReceivePlain(fd: number, bytes: Uint8Array): number;
  packetOpen(index: number): number;
  createPacketBursts(
    fd: number,
    memory: Uint8Array,
    incoming: Int32Array,
    outgoing: Int32Array,
  ): { receive(count: number): number; send(from: number, count: number): number };
  readonly loopWatch: WatchEngine;
  readonly threadWatch: WatchEngine;
  openDevice(path: string): number;
  ioctl(fd: number, request: number, argument: Uint8Array | number): number;
  ioctlAsync(fd: number, request: number, bytes: Uint8Array): Promise<number>;
  controlSocket(): number;
  enterNetwork(fd: number): void;
  bufferAddress(buffer: ArrayBuffer): bigint;
  mapRegisters(fd: number, offset: number, size: number, writeOnly: boolean): object;
  unmapRegisters(handle: object): void;
  registersFaulted(handle: object): boolean;
  readRegister(handle: object, offset: number, width: 1 | 2 | 4): number;
  readRegister(handle: object, offset: number, width: 8): bigint;
  writeRegister(handle: object, offset: number, width: 1 | 2 | 4 | 8, value: number | bigint): void;
  gatherPages(fd: number, pageSize: number, pages: readonly number[], total: number): object;
  createCopyEngine(ops: Int32Array): {
    run(count: number): number;
    register(buffer: ArrayBuffer, byteOffset: number, byteLength: number): number;
    unregister(handle: number): void;
    singles(job: Int32Array, counters: Float64Array | undefined): () => number;
    chains(parts: KernelWindows & { readonly job: Int32Array }): () => number;
    notes(parts: NotedRings & { readonly job: Int32Array }): Pick<NotesKernel, 'run' | 'bind' | 'unbind'>;
  };
  createCopyThread(
    arrays: {
      readonly control: Int32Array;
      readonly descriptors: Int32Array;
      readonly copies: Int32Array;
      readonly pairs: Int32Array;
      readonly failed: Int32Array;
    },
    memories: number,
    spinMicroseconds: number,
  ): {
    register(memory: number, buffer: ArrayBuffer, byteOffset: number, byteLength: number): void;
    unregister(memory: number): void;
    submit(head: number): void;
    drain(): void;
    stop(): void;
  };
  createDriverKernel(parts: DriverKernelParts): DriverKernel;
}

/** The first directory from here up that has a manifest: where a build puts this module is the build's business. */
function packageDirectory(directory: string): string {
  const above = dirname(directory);
  if (above === directory || existsSync(join(directory, 'package.json'))) return directory;
  return packageDirectory(above);
}

/** `VIO_NATIVE_VARIANT=asan` or `tsan` chooses a sanitizer build made by scripts/build.mjs. */
function load(): Addon {
  const variant = env['VIO_NATIVE_VARIANT'];
  const root = packageDirectory(dirname(fileURLToPath(import.meta.url)));
  const { directory, file } = placeOf(hostTarget());
  const prebuilds = variant === undefined || variant === '' ? 'prebuilds' : `prebuilds-${variant}`;
  try {
    // `require` would look for the package around it first, for as long as it takes to load it.
    const module = { exports: {} as Addon };
    process.dlopen(module, join(root, prebuilds, directory, file));
    return module.exports;
  } catch (cause) {
    throw new VioError(`the native part of vio for ${process.platform}-${process.arch} cannot be loaded`, {
      code: 'VIO_NATIVE_MISSING',
      remedy: remedy(root),
      cause,
    });
  }
}

/** How to get an addon for this machine: where there is a compiler, one line builds it. */
function remedy(root: string): string {
  if (platformProblem(process) !== undefined) return 'use Linux on x64 or arm64';
  const first = isProgram('g++', env['PATH']) ? 'build' : 'install g++, then build';
  // A shell has to take the path as one word.
  const script = `'${join(root, 'scripts/build.mjs').replaceAll("'", String.raw`'\''`)}'`;
  return `${first} it: npm install --no-save node-addon-api@8 node-api-headers@1 && node ${script}`;
}

export const addon: Addon = load();
