export * from './hash-types.ts';
export { PacketFlow } from './packet-flow.ts';
export { PacketHasher } from './packet-hasher.ts';
