// Written by scripts/layouts.mjs, as native/kernels/layouts.h is.

/** Most packets that one call of the device’s kernel moves. */
export const singlesPerRun = 64;

/** Most descriptors of one chain, chains, and pieces of memory that one call of the kernel of chains takes. */
export const piecesPerRun = 256;

/** Bytes from one virtio-net header in a job to the next. */
export const headerStride = 20;

/** Of the third int32 that describes a copy, those that are its bytes; those above are the number of its pair of memories. */
export const copyNoteBits = 17;

/** Pairs of memories that copies may name. */
export const copyPairs = 32768;

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
  /** What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first. */
  tables: 4,
  /** Where its parts are: handle and offset each. A packed ring has only the first. */
  table: 5,
  tableAt: 6,
  avail: 7,
  availAt: 8,
  used: 9,
  usedAt: 10,
  /** Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken. */
  next: 11,
  nextWrap: 12,
  done: 13,
  doneWrap: 14,
  room: 15,
  /** The window of the driver’s memory: handle and offset, guest address in halves, bytes. */
  data: 16,
  dataAt: 17,
  low: 18,
  high: 19,
  bytes: 20,
  /** Bytes of the header in front of each packet; the longest packet to take; the handle of local memory. */
  prefix: 21,
  most: 22,
  local: 23,
  /** Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind. */
  count: 24,
  blocked: 25,
  /** The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it. */
  log: 26,
  logDataLow: 27,
  logDataHigh: 28,
  logRingLow: 29,
  logRingHigh: 30,
  logBeyond: 31,
  /** The packets’ own words. */
  offsets: 32,
  lengths: 96,
} as const;

/** How many of them there are. */
export const singlesJobWords = 160;

/** The words of a job for chains of any kind. It begins as `singlesJob` does; the window there is nobody’s. */
export const chainsJob = {
  /** The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors. */
  packed: 0,
  writable: 1,
  inOrder: 2,
  size: 3,
  /** What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first. */
  tables: 4,
  /** Where its parts are: handle and offset each. A packed ring has only the first. */
  table: 5,
  tableAt: 6,
  avail: 7,
  availAt: 8,
  used: 9,
  usedAt: 10,
  /** Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken. */
  next: 11,
  nextWrap: 12,
  done: 13,
  doneWrap: 14,
  room: 15,
  /** The window of the driver’s memory: handle and offset, guest address in halves, bytes. */
  data: 16,
  dataAt: 17,
  low: 18,
  high: 19,
  bytes: 20,
  /** Bytes of the header in front of each packet; the longest packet to take; the handle of local memory. */
  prefix: 21,
  most: 22,
  local: 23,
  /** Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind. */
  count: 24,
  blocked: 25,
  /** The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it. */
  log: 26,
  logDataLow: 27,
  logDataHigh: 28,
  logRingLow: 29,
  logRingHigh: 30,
  logBeyond: 31,
  /** Writable: 1 with MRG_RXBUF; 1 when every packet has its header in `headers`, else it says nothing. */
  mergeable: 32,
  headed: 33,
  /** Set by the run: ring slots that its chains took, the window that the last of them ends in, and a window that it does not know and needed, or -1. */
  slots: 34,
  window: 35,
  unknown: 36,
  /** The packets: of how many local pieces each is, writable ones; their headers, `headerStride` bytes each. */
  pieces: 37,
  headers: 101,
  /** Local pieces, packet after packet. */
  offsets: 421,
  lengths: 677,
} as const;

/** How many of them there are. */
export const chainsJobWords = 933;

/** The words of a job for packets in chains of one descriptor each that somebody else copies. It begins as `singlesJob` does. */
export const notesJob = {
  /** The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors. */
  packed: 0,
  writable: 1,
  inOrder: 2,
  size: 3,
  /** What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first. */
  tables: 4,
  /** Where its parts are: handle and offset each. A packed ring has only the first. */
  table: 5,
  tableAt: 6,
  avail: 7,
  availAt: 8,
  used: 9,
  usedAt: 10,
  /** Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken. */
  next: 11,
  nextWrap: 12,
  done: 13,
  doneWrap: 14,
  room: 15,
  /** The window of the driver’s memory: handle and offset, guest address in halves, bytes. */
  data: 16,
  dataAt: 17,
  low: 18,
  high: 19,
  bytes: 20,
  /** Bytes of the header in front of each packet; the longest packet to take; the handle of local memory. */
  prefix: 21,
  most: 22,
  local: 23,
  /** Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind. */
  count: 24,
  blocked: 25,
  /** The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it. */
  log: 26,
  logDataLow: 27,
  logDataHigh: 28,
  logRingLow: 29,
  logRingHigh: 30,
  logBeyond: 31,
  /** Writable: 1 with MRG_RXBUF; from one header to the next where they are copied from, a header for each number of chains. */
  mergeable: 32,
  headerStep: 33,
  /** Where its chains are kept, as `bind` called it. */
  slot: 34,
  /** Rings of transfers: numbers of the next descriptor and copy, copies there is room for; the third int32 of a copy of data, without its bytes, and that of a header’s. */
  descriptor: 35,
  copy: 36,
  copyRoom: 37,
  dataNote: 38,
  headerNote: 39,
  /** Set by the run: how many chains it took, and how many copies it noted; 1 when it stopped because there were no more chains. */
  chains: 40,
  copies: 41,
  empty: 42,
  /** The packets: where they begin in local memory, their bytes, and of how many chains each is. */
  offsets: 43,
  lengths: 107,
  counts: 171,
} as const;

/** How many of them there are. */
export const notesJobWords = 235;

/** What a thread that copies and the one of JavaScript tell each other: each word in a cache line of its own, as one of them writes it. */
export const copyThreadControl = {
  /** Numbers, modulo 2^30: descriptors up to the first are submitted, up to the second done. */
  head: 0,
  tail: 16,
  /** 1 while the thread sleeps, or is about to; 1 when it is to end. */
  asleep: 32,
  stop: 48,
  /** Descriptors that have failed, of those that are done. */
  failures: 64,
} as const;

/** How many of them there are. */
export const copyThreadControlWords = 80;

/** The words of a job for the driver’s side of a ring. Offsets are bytes in the region. */
export const driverJob = {
  /** The ring, fixed: 1 packed or 0 split; 1 with IN_ORDER; descriptors; 1 when the device writes; 1 with EVENT_IDX; where the region begins for the device. */
  packed: 0,
  inOrder: 1,
  size: 2,
  deviceWrites: 3,
  eventIdx: 4,
  addressLow: 5,
  addressHigh: 6,
  /** Its parts, fixed, and the indirect tables behind it, with descriptors in each; 0: there are none. */
  descriptors: 7,
  driverArea: 8,
  deviceArea: 9,
  tables: 10,
  tableEntries: 11,
  /** Where the next buffer goes. Split: avail index; packed: position and wrap counter. */
  availNext: 12,
  availWrap: 13,
  /** Where the next used one appears. Split: used index taken so far; packed: position and wrap counter. */
  usedNext: 14,
  usedWrap: 15,
  /** The ring of free ids: the next to take, the next to fill (with IN_ORDER: the oldest that is outstanding). */
  idHead: 16,
  idTail: 17,
  /** Descriptors that are free, buffers that the device holds. */
  free: 18,
  outstanding: 19,
  /** IN_ORDER: a batch not taken back as a whole: its last id, or -1, and the length of that one. */
  batchId: 20,
  batchLength: 21,
  /** What was added before a kick was last thought of. Split: avail index; packed: descriptors since. */
  kicked: 22,
  /** The pool, fixed: data of buffer 0, bytes from one to the next, bytes for data in each; and its free buffers. */
  base: 23,
  stride: 24,
  dataRoom: 25,
  poolFree: 26,
  /** Fixed: bytes of the header in front of the data; 1 with MRG_RXBUF; 1 where packets to send have one buffer and nothing is left to the device; 1 where frames for groups are counted; and, of what may be left to the device: 1 for checksums, 1 for ECN, a bit for each kind of segments. */
  header: 27,
  mergeable: 28,
  simple: 29,
  groups: 30,
  checksum: 31,
  ecn: 32,
  segmentation: 33,
  /** A call: slot of the burst, its first entry, the end; receive: descriptors that are free before buffers are supplied; send: packets of several segments that the device holds. */
  burst: 34,
  from: 35,
  end: 36,
  freeThreshold: 37,
  chains: 38,
  /** A mergeable packet that has not come as a whole: first and last buffer, buffers to come, bytes (-1: of no length), buffers. */
  partHead: 39,
  partTail: 40,
  partMissing: 41,
  partBytes: 42,
  partBuffers: 43,
  /** What came of it: packets; 1 when it stopped at what is for TypeScript; 1 when the device wants a kick. */
  packets: 44,
  blocked: 45,
  kick: 46,
} as const;

/** How many of them there are. */
export const driverJobWords = 47;

/** The words of a frame that a packet socket takes or gives. */
export const packetFrame = {
  /** Where its virtio-net header begins, which the frame follows; bytes of both: room for what comes, or what goes. */
  at: 0,
  bytes: 1,
  /** Of what has come: 1 when there was no room for all of it; its VLAN tag, or -1, and the EtherType of that. */
  truncated: 2,
  tag: 3,
  tagType: 4,
} as const;

/** How many of them there are. */
export const packetFrameWords = 5;
