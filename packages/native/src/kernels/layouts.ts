// Written by scripts/layouts.mjs, as native/kernels/layouts.h is.

/** Most packets that one call of the device’s kernel moves. */
export const singlesPerRun = 64;

/** Counters of a queue: index of each, in the order of DPDK’s xstats. Frames count without CRC. */
export const queueCounter = {
  /** Packets, bytes, what was dropped, whom they were for, and how many of which size. */
  goodPackets: 0,
  goodBytes: 1,
  errors: 2,
  multicast: 3,
  broadcast: 4,
  undersize: 5,
  size64: 6,
  size65: 7,
  size128: 8,
  size256: 9,
  size512: 10,
  size1024: 11,
  size1519: 12,
} as const;

/** How many of them there are. */
export const queueCounterWords = 13;

/** The words of a job for the device’s side of a ring. Handles are those of the copy engine, offsets and lengths bytes. */
export const singlesJob = {
  /** The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors. */
  packed: 0,
  writable: 1,
  inOrder: 2,
  size: 3,
  /** Where its parts are: handle and offset each. A packed ring has only the first. */
  table: 4,
  tableAt: 5,
  avail: 6,
  availAt: 7,
  used: 8,
  usedAt: 9,
  /** Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken. */
  next: 10,
  nextWrap: 11,
  done: 12,
  doneWrap: 13,
  room: 14,
  /** The window of the driver’s memory: handle and offset, guest address in halves, bytes. */
  data: 15,
  dataAt: 16,
  low: 17,
  high: 18,
  bytes: 19,
  /** Bytes of the header in front of each packet; the longest packet to take; the handle of local memory. */
  prefix: 20,
  most: 21,
  local: 22,
  /** Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind. */
  count: 23,
  blocked: 24,
  /** The packets’ own words. */
  offsets: 25,
  lengths: 89,
} as const;

/** How many of them there are. */
export const singlesJobWords = 153;

/** The words of a job for the driver’s side of a ring. Offsets are bytes in the region. */
export const vectorJob = {
  /** The ring, fixed: 1 packed or 0 split, descriptors, 1 when the device writes, where the region begins for the device. */
  packed: 0,
  size: 1,
  deviceWrites: 2,
  addressLow: 3,
  addressHigh: 4,
  /** The parts of the ring, fixed; avail and used of a split ring only. */
  descAt: 5,
  availAt: 6,
  usedAt: 7,
  /** Split: avail index; packed: position and wrap counter of the next available descriptor. */
  availNext: 8,
  availWrap: 9,
  /** Split: used index taken so far; packed: position and wrap counter of the next used descriptor. */
  usedNext: 10,
  usedWrap: 11,
  /** The ring of free ids: the next to take, the next to fill; of a packed ring the latter is the oldest one held. */
  idHead: 12,
  idTail: 13,
  /** Descriptors free, buffers the device holds. */
  free: 14,
  outstanding: 15,
  /** Of a call: first entry of the arrays, entries, bytes of the header in front of the data. */
  from: 16,
  count: 17,
  header: 18,
  /** The pool: data of buffer 0, bytes from one to the next, bytes for data in each. */
  base: 19,
  stride: 20,
  dataRoom: 21,
  /** What `receive` and `send` counted, as queueCounter says. */
  counts: 22,
} as const;

/** How many of them there are. */
export const vectorJobWords = 35;
