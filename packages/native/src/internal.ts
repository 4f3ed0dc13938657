// What the other packages of vio use besides, and nobody else: it may change in every version.
export { callApplication, throwLater } from './application.ts';
export {
  bufferAddress,
  controlSocket,
  inNetworkNamespace,
  ioctlAsync,
  openDevice,
  openDeviceAsync,
  writeAsync,
} from './devices/device.ts';
export { io, ior, iow, iowr } from './devices/ioctl-number.ts';
export { FileRegisters, MmioRegisters } from './devices/mmio.ts';
export { heldArray } from './held-array.ts';
export { type DeviceNumber, deviceNumberOf, statNumberOf } from './fds/device-number.ts';
export { EventWait } from './fds/event-wait.ts';
export { EventWatcher, watchDuplicate } from './fds/fd-watcher.ts';
export { type FileKind, disownFd, fileKind, sealsOfFd, sizeOfFd, statOfFd } from './fds/fd.ts';
export type { ChainsKernel, KernelWindows } from './kernels/chains-kernel.ts';
export { type CopyEngine, copyOpWords, nativeCopyEngine, twinCopyEngine } from './kernels/copy.ts';
export {
  type CopyQueue,
  type CopyRings,
  longestCopy,
  nativeCopyQueue,
  noteWord,
  numberMask,
  twinCopyQueue,
} from './kernels/copy-queue.ts';
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
  chainsJob,
  chainsJobWords,
  copyNoteBits,
  copyPairs,
  driverJob,
  driverJobWords,
  headerStride,
  notesJob,
  notesJobWords,
  packetFrame,
  packetFrameWords,
  piecesPerRun,
  queueCounter,
  queueCounterWords,
  singlesJob,
  singlesJobWords,
  singlesPerRun,
} from './kernels/layouts.ts';
export type { KeptChains, NotedRings, NotesKernel } from './kernels/notes-kernel.ts';
export type { SinglesKernel } from './kernels/singles-kernel.ts';
export { resourceLimit } from './limits.ts';
export { ContiguousMemory } from './memory/contiguous-memory.ts';
export { freeHugepages, hugepageBytes } from './memory/hugepages.ts';
export { LatePages } from './memory/late-pages.ts';
export { pageBytes, wholePages } from './memory/page.ts';
export { type OptionNames, checkOptions } from './options.ts';
export { printable, quoted } from './quoted.ts';
export { PacketSocket } from './sockets/packet-socket.ts';
export { checkSocketPath, maxSocketPath } from './sockets/socket-errors.ts';
export { listenTcp, tcpAddressOf } from './sockets/tcp-socket.ts';
export { defaultTimeout, longestTimer, shortTimeout } from './timeouts.ts';
export { abortedError, checkTimeout, checkWait, settle, timeoutError, waitNames } from './waiting.ts';
