export { callApplication, throwLater } from './application.ts';
export { type CopyEngine, copyOpWords, nativeCopyEngine, twinCopyEngine } from './copy.ts';
export { type CpuFeatures, cpuAffinity, cpuFeatures, setCpuAffinity } from './cpu.ts';
export { ContiguousMemory } from './contiguous-memory.ts';
export {
  bufferAddress,
  controlSocket,
  inNetworkNamespace,
  ioctl,
  ioctlAsync,
  openDevice,
  openDeviceAsync,
  writeAsync,
} from './device.ts';
export { VioError, type VioErrorDetails } from './error.ts';
export { EventFd } from './event-fd.ts';
export { type FileKind, closeFd, disownFd, dupFd, fileKind, sealsOfFd, sizeOfFd } from './fd.ts';
export { FdWatcher, type Readiness } from './fd-watcher.ts';
export { type MappedBytes, MappedFile } from './mapped-file.ts';
export { FileRegisters, MmioRegisters, type RegisterWidth, type Registers } from './mmio.ts';
export { type OptionNames, checkOptions } from './options.ts';
export { printable, quoted } from './quoted.ts';
export { resourceLimit, waitReadable } from './limits.ts';
export { type MapOptions, SharedMemory, type SharedMemoryOptions } from './shared-memory.ts';
export { checkSocketPath, maxSocketPath } from './socket-errors.ts';
export { type ListenOptions, UnixListener } from './unix-listener.ts';
export { type Received, UnixStream } from './unix-stream.ts';
export { type WaitOptions, settle, timeoutError } from './waiting.ts';
export { type SinglesKernel, singlesJob, singlesPerRun } from './singles-kernel.ts';
export {
  type VectorKernel,
  type VectorKernelParts,
  createVectorKernel,
  vectorCounts,
  vectorJob,
} from './vector-kernel.ts';
