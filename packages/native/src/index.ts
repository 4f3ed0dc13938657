export { callApplication, throwLater } from './application.ts';
export { type CopyEngine, copyOpWords, nativeCopyEngine, twinCopyEngine } from './kernels/copy.ts';
export { type CpuFeatures, cpuAffinity, cpuFeatures, setCpuAffinity } from './cpu.ts';
export { ContiguousMemory } from './memory/contiguous-memory.ts';
export {
  bufferAddress,
  controlSocket,
  inNetworkNamespace,
  ioctl,
  ioctlAsync,
  openDevice,
  openDeviceAsync,
  writeAsync,
} from './devices/device.ts';
export { VioError, type VioErrorDetails } from './error.ts';
export { EventFd } from './fds/event-fd.ts';
export { type FileKind, closeFd, disownFd, dupFd, fileKind, sealsOfFd, sizeOfFd } from './fds/fd.ts';
export { FdWatcher, type Readiness } from './fds/fd-watcher.ts';
export { type MappedBytes, MappedFile } from './memory/mapped-file.ts';
export { FileRegisters, MmioRegisters, type RegisterWidth, type Registers } from './devices/mmio.ts';
export { type OptionNames, checkOptions } from './options.ts';
export { printable, quoted } from './quoted.ts';
export { resourceLimit, waitReadable } from './limits.ts';
export { type MapOptions, SharedMemory, type SharedMemoryOptions } from './memory/shared-memory.ts';
export { checkSocketPath, maxSocketPath } from './sockets/socket-errors.ts';
export { type ListenOptions, UnixListener } from './sockets/unix-listener.ts';
export { type Received, UnixStream } from './sockets/unix-stream.ts';
export { type WaitOptions, checkWait, settle, timeoutError, waitNames } from './waiting.ts';
export type { SinglesKernel } from './kernels/singles-kernel.ts';
export { burstsPerKernel, createDriverKernel } from './kernels/driver-kernel.ts';
export type {
  DriverKernel,
  DriverKernelParts,
  KernelBurst,
  KernelNotes,
  KernelOffloads,
  KernelPool,
} from './kernels/kernel-parts.ts';
export {
  driverJob,
  driverJobWords,
  queueCounter,
  queueCounterWords,
  singlesJob,
  singlesPerRun,
} from './kernels/layouts.ts';
