// What needs no test runner: programs that tests start have it as well, in a guest of their own too.
export {
  type PacketPlaces,
  isComplete,
  isCompleteDatagram,
  naiveChecksum,
  tcpSegment,
  transportOf,
  transportSum,
  udpDatagram,
} from './checksum.ts';
export { broadcast, content, frame, macOf, multicast } from './frames.ts';
export { type FakeCard, fakePciBus } from './pci-bus.ts';
export { pipe } from './pipe.ts';
export { collectGarbage, fdFlags, mappingField, mappingsNamed, openFds } from './process-state.ts';
export { turns, until } from './until.ts';
export { type Unruliness, UnrulyThreads } from './unruly-threads.ts';
