export { type PacketPlaces, isComplete, naiveChecksum, tcpSegment, transportSum } from './checksum.ts';
export {
  type Failure,
  applicationError,
  codeOf,
  codeOfCall,
  coded,
  failingHandler,
  failureOf,
  rejectionOf,
} from './failure.ts';
export { broadcast, frame, macOf, multicast } from './frames.ts';
export { type Holdings, holdings, holdingsLike } from './holdings.ts';
export { type FakeCard, fakePciBus } from './pci-bus.ts';
export { pipe } from './pipe.ts';
export { collectGarbage, fdFlags, mappingField, mappingsNamed, openFds } from './process-state.ts';
export { scratchDirectory } from './scratch.ts';
export { turns, until } from './until.ts';
