import { VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '@vio/rings';
import { hasSeparateHeader } from './header.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from './feature-bits.ts';

/** What the election of the receive and transmit paths depends on. */
export interface PathInput {
  /** Negotiated device features. */
  readonly features: bigint;
  /** The devarg: a vectorised path is preferred where one can be used. */
  readonly vectorized: boolean;
  /**
   * What the application promises of the packets it sends, as in `txq_flags` of DPDK before 18.05: 0xf01 (or more) says that each has
   * one segment and needs no offload. Default 0: nothing.
   */
  readonly txqFlags?: number;
  /** False: the application does without counters of multicast and broadcast frames. Default true. */
  readonly groupCounters?: boolean | undefined;
  /** What the application asked for; `pathOffloads` tells it from a port's options. */
  readonly offloads?: {
    readonly lro?: boolean;
    readonly checksum?: boolean;
    readonly vlanStrip?: boolean;
    readonly vlanInsert?: boolean;
    readonly hash?: boolean;
    /** Any of those of sent packets. */
    readonly transmit?: boolean;
  };
  /** Vectorised paths this build has. Default: all of them. */
  readonly available?: readonly PathName[];
}

/** Name of a receive or transmit path; DPDK's log has the same words. */
export type PathName =
  | 'split mergeable'
  | 'split non-mergeable'
  | 'split in-order mergeable'
  | 'split in-order non-mergeable'
  | 'split vectorized Rx'
  | 'split standard Tx'
  | 'split simple Tx'
  | 'split in-order Tx'
  | 'packed mergeable'
  | 'packed non-mergeable'
  | 'packed in-order mergeable'
  | 'packed in-order non-mergeable'
  | 'packed vectorized Rx'
  | 'packed standard Tx'
  | 'packed vectorized Tx';

const vectorizedPaths = ['split vectorized Rx', 'packed vectorized Rx', 'packed vectorized Tx'] as const;

/** True for a path that DPDK calls vectorised. */
export function isVectorized(path: PathName): boolean {
  return vectorizedPaths.some((name) => name === path);
}

/** What moves the bursts of a path: kernels in C++, one call per burst, or their twins in TypeScript. */
export type PathEngine = 'native' | 'typescript';

/** @returns 'native', unless the environment says VIO_KERNELS=typescript; a vectorised path is always */
export function pathEngine(path: PathName): PathEngine {
  return process.env['VIO_KERNELS'] === 'typescript' && !isVectorized(path) ? 'typescript' : 'native';
}

/** DPDK's burst functions of the twelve paths, and what its log calls each. */
const loggedNames = {
  virtio_recv_pkts: 'standard Rx',
  virtio_recv_mergeable_pkts: 'mergeable buffer Rx',
  virtio_recv_pkts_inorder: 'inorder Rx',
  virtio_recv_pkts_vec: 'vectorized Rx',
  virtio_recv_pkts_packed: 'packed ring standard Rx',
  virtio_recv_mergeable_pkts_packed: 'packed ring mergeable buffer Rx',
  virtio_recv_pkts_packed_vec: 'packed ring vectorized Rx',
  virtio_xmit_pkts: 'standard Tx',
  virtio_xmit_pkts_simple: 'simple Tx',
  virtio_xmit_pkts_inorder: 'inorder Tx',
  virtio_xmit_pkts_packed: 'packed ring standard Tx',
  virtio_xmit_pkts_packed_vec: 'packed ring vectorized Tx',
} as const;

/** Name of a burst function of DPDK's virtio PMD. */
export type PathCallback = keyof typeof loggedNames;

/** The path that was elected in one direction. */
export interface PathChoice {
  /** The elected path. */
  readonly path: PathName;
  /** The burst function of DPDK's PMD that does the same. */
  readonly callback: PathCallback;
  /** What moves its bursts: of other paths than DPDK's vectorised ones as well, kernels in C++ by default. */
  readonly engine: PathEngine;
  /**
   * Whether multicast and broadcast frames are counted as such, for which every frame has to be looked at. Vectorised paths look at
   * none, as DPDK's of packed rings do not.
   */
  readonly groupCounters: boolean;
  /** Why it was elected. */
  readonly reason: string;
  /** Every other path of this direction with what stood in its way. */
  readonly refused: readonly { readonly path: PathName; readonly reason: string }[];
}

/** DPDK's VIRTIO_SIMPLE_FLAGS: no packet of several segments (0x1), no offload of VLAN tags or checksums (0xf00). */
const simpleFlags = 0xf01;

function isSimple({ txqFlags = 0 }: PathInput): boolean {
  return (txqFlags & simpleFlags) === simpleFlags;
}

interface Candidate {
  readonly path: PathName;
  readonly callback: PathCallback;
  readonly reason: string;
  /** What speaks against it, or undefined. The first candidate with undefined is elected. */
  readonly against: string | undefined;
}

/**
 * Elects the receive and the transmit path, as DPDK's virtio PMD does, with the reason for every refusal. Pure: the
 * same input always gives the same answer. `txqFlags` asks for the simple transmit path and the vectorised receive path of split
 * rings, as it did in DPDK. In-order wins over mergeable in name, its path handles num_buffers itself. One
 * rule is our own: with transmit offloads headers are written one by one, so the vectorised transmit path, which only clears
 * them, is not elected. And one is DPDK's alone: its vectorised paths of packed rings need AVX-512 or NEON, ours no more than every
 * processor of x64 and arm64 has.
 */
export function electPaths(input: PathInput): { rx: PathChoice; tx: PathChoice } {
  const facts = {
    packed: (input.features & VIRTIO_F_RING_PACKED) !== 0n,
    inOrder: (input.features & VIRTIO_F_IN_ORDER) !== 0n,
    mergeable: (input.features & VIRTIO_NET_F_MRG_RXBUF) !== 0n,
  };
  const { groupCounters = true } = input;
  const rx = elect(rxCandidates(input, facts), groupCounters);
  const tx = elect(txCandidates(input, facts), groupCounters);
  // Where the header has a descriptor of its own, there is no kernel.
  return { rx, tx: hasSeparateHeader(input.features) ? { ...tx, engine: 'typescript' } : tx };
}

/** The line DPDK's PMD logs for this path, for people who grep for it. */
export function pathLogLine(choice: PathChoice, port: number): string {
  return `virtio: using ${loggedNames[choice.callback]} path on port ${port}`;
}

/**
 * Those lines of both directions and, where vectorised paths were `asked` for and there is none, why not: the reason against the
 * vectorised path of the ring's own format.
 */
export function pathLogLines(
  { rx, tx }: { readonly rx: PathChoice; readonly tx: PathChoice },
  asked: boolean,
  port: number,
): string[] {
  const refusal = (direction: string, { path, refused }: PathChoice): string[] => {
    if (!asked || isVectorized(path)) return [];
    const format = path.startsWith('packed') ? 'packed' : 'split';
    const nearest = refused.find((choice) => choice.path === `${format} vectorized ${direction}`);
    const reason = nearest?.reason ?? 'split rings have none';
    return [`virtio: no vectorized ${direction} path on port ${port}: ${reason}`];
  };
  const simple = tx.refused.find(({ path }) => path === 'split simple Tx');
  const notSimple =
    simple === undefined || simple.reason === simpleNotAsked
      ? []
      : [`virtio: no simple Tx path on port ${port}: ${simple.reason}`];
  return [
    pathLogLine(rx, port),
    pathLogLine(tx, port),
    ...refusal('Rx', rx),
    ...refusal('Tx', tx),
    ...notSimple,
  ];
}

interface Facts {
  readonly packed: boolean;
  readonly inOrder: boolean;
  readonly mergeable: boolean;
}

function rxCandidates(input: PathInput, facts: Facts): Candidate[] {
  const format = (packed: boolean): string | undefined =>
    packed === facts.packed ? undefined : packed ? 'RING_PACKED not negotiated' : 'RING_PACKED negotiated';
  const bit = (name: string, wanted: boolean, is: boolean): string | undefined =>
    wanted === is ? undefined : wanted ? `${name} not negotiated` : `${name} negotiated`;
  const scalar = (
    path: PathName,
    callback: PathCallback,
    packed: boolean,
    inOrder: boolean,
    mergeable: boolean,
  ): Candidate => ({
    path,
    callback,
    reason: [
      packed ? 'RING_PACKED' : 'no RING_PACKED',
      inOrder ? 'IN_ORDER' : 'no IN_ORDER',
      mergeable ? 'MRG_RXBUF' : 'no MRG_RXBUF',
    ].join(', '),
    against:
      format(packed) ??
      bit('IN_ORDER', inOrder, facts.inOrder) ??
      bit('MRG_RXBUF', mergeable, facts.mergeable),
  });
  return [
    vectorized(
      'packed vectorized Rx',
      'virtio_recv_pkts_packed_vec',
      format(true) ?? packedVector(input, facts) ?? packedRxVector(input, facts),
      input,
    ),
    vectorized(
      'split vectorized Rx',
      'virtio_recv_pkts_vec',
      format(false) ?? splitRxVector(input, facts),
      input,
    ),
    scalar('packed in-order mergeable', 'virtio_recv_mergeable_pkts_packed', true, true, true),
    scalar('packed in-order non-mergeable', 'virtio_recv_pkts_packed', true, true, false),
    scalar('packed mergeable', 'virtio_recv_mergeable_pkts_packed', true, false, true),
    scalar('packed non-mergeable', 'virtio_recv_pkts_packed', true, false, false),
    scalar('split in-order mergeable', 'virtio_recv_pkts_inorder', false, true, true),
    scalar('split in-order non-mergeable', 'virtio_recv_pkts_inorder', false, true, false),
    scalar('split mergeable', 'virtio_recv_mergeable_pkts', false, false, true),
    scalar('split non-mergeable', 'virtio_recv_pkts', false, false, false),
  ];
}

function txCandidates(input: PathInput, facts: Facts): Candidate[] {
  const not = (condition: boolean, reason: string): string | undefined => (condition ? undefined : reason);
  const needPacked = not(facts.packed, 'RING_PACKED not negotiated');
  const needSplit = not(!facts.packed, 'RING_PACKED negotiated');
  return [
    vectorized(
      'packed vectorized Tx',
      'virtio_xmit_pkts_packed_vec',
      needPacked ?? packedVector(input, facts) ?? packedTxVector(input),
      input,
    ),
    {
      path: 'packed standard Tx',
      callback: 'virtio_xmit_pkts_packed',
      reason: 'RING_PACKED; it serves IN_ORDER as well',
      against: needPacked,
    },
    {
      path: 'split simple Tx',
      callback: 'virtio_xmit_pkts_simple',
      reason: 'txq_flags say single segments and no offload, and nothing speaks against it',
      against: not(isSimple(input), simpleNotAsked) ?? needSplit ?? simpleTx(input, facts),
    },
    {
      path: 'split in-order Tx',
      callback: 'virtio_xmit_pkts_inorder',
      reason: 'no RING_PACKED, IN_ORDER',
      against: needSplit ?? not(facts.inOrder, 'IN_ORDER not negotiated'),
    },
    {
      path: 'split standard Tx',
      callback: 'virtio_xmit_pkts',
      reason: 'no RING_PACKED, no IN_ORDER',
      against: needSplit ?? not(!facts.inOrder, 'IN_ORDER negotiated'),
    },
  ];
}

const simpleNotAsked = 'txq_flags do not say single segments and no offload (0xf01)';

/** What speaks against the simple path of split rings. */
function simpleTx(input: PathInput, facts: Facts): string | undefined {
  if (facts.inOrder) return 'IN_ORDER negotiated';
  if (facts.mergeable) return 'MRG_RXBUF negotiated';
  if (hasSeparateHeader(input.features)) return 'headers have descriptors of their own';
  const { transmit = false, vlanInsert = false } = input.offloads ?? {};
  return transmit || vlanInsert ? 'a transmit offload was requested' : undefined;
}

function vectorized(
  path: PathName,
  callback: PathCallback,
  against: string | undefined,
  input: PathInput,
): Candidate {
  const simple = path === 'split vectorized Rx' && isSimple(input);
  const asked = input.vectorized || simple ? undefined : 'vectorized=0';
  const built = (input.available ?? vectorizedPaths).includes(path)
    ? undefined
    : 'this build has no such path';
  return {
    path,
    callback,
    reason: `${input.vectorized ? 'vectorized=1' : 'txq_flags=0xf01'} and all it needs is there`,
    against: against ?? asked ?? built,
  };
}

/** What packed vectorised paths need in both directions. */
function packedVector(input: PathInput, facts: Facts): string | undefined {
  if (!facts.inOrder) return 'IN_ORDER not negotiated';
  return (input.features & VIRTIO_F_VERSION_1) === 0n ? 'VERSION_1 not negotiated' : undefined;
}

function packedRxVector(input: PathInput, facts: Facts): string | undefined {
  if (facts.mergeable) return 'MRG_RXBUF negotiated';
  if (input.offloads?.lro === true) return 'LRO requested';
  return input.offloads?.hash === true ? 'RSS hash requested' : undefined;
}

function packedTxVector({ offloads }: PathInput): string | undefined {
  return offloads?.transmit === true ? 'a transmit offload was requested' : undefined;
}

function splitRxVector(input: PathInput, facts: Facts): string | undefined {
  if (facts.inOrder) return 'IN_ORDER negotiated';
  if (facts.mergeable) return 'MRG_RXBUF negotiated';
  const { lro = false, checksum = false, vlanStrip = false } = input.offloads ?? {};
  return lro || checksum || vlanStrip ? 'a receive offload was requested' : undefined;
}

function elect(candidates: readonly Candidate[], wantsGroups: boolean): PathChoice {
  const elected = candidates.find((candidate) => candidate.against === undefined);
  if (elected === undefined)
    throw new Error('no path fits, although the scalar ones cover every combination');
  const refused = candidates
    .filter((candidate) => candidate !== elected)
    .map(({ path, against }) => ({ path, reason: against ?? `${elected.path} is preferred` }));
  const { path, callback, reason } = elected;
  const groupCounters = wantsGroups && !isVectorized(path);
  return { path, callback, engine: pathEngine(path), groupCounters, reason, refused };
}
