// What applications and transports use. What only the other packages of vio need is in internal.ts.
export { type CpuFeatures, cpuAffinity, cpuFeatures, setCpuAffinity } from './cpu.ts';
export { ioctl } from './devices/device.ts';
export type { RegisterWidth, Registers } from './devices/mmio.ts';
export { VioError, type VioErrorDetails } from './error.ts';
export { EventFd } from './fds/event-fd.ts';
export { closeFd, dupFd } from './fds/fd.ts';
export { FdWatcher, type Readiness, type Watcher } from './fds/fd-watcher.ts';
export { type MappedBytes, MappedFile, type MappedFileOptions } from './memory/mapped-file.ts';
export { type MapOptions, SharedMemory, type SharedMemoryOptions } from './memory/shared-memory.ts';
export { type ListenOptions, UnixListener } from './sockets/unix-listener.ts';
export { type Received, UnixStream } from './sockets/unix-stream.ts';
export type { KnownError, KnownErrors } from './system-error.ts';
export type { WaitOptions } from './waiting.ts';
