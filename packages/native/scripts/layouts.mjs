// The layouts that TypeScript and C++ share, said once: the words of the kernels' jobs, and the counters of a queue.
//
//   node scripts/layouts.mjs     writes src/kernels/layouts.ts and native/kernels/layouts.h; a test compares them
//
// A layout is a list of groups: what the words of a group are, and their names; [name, words] takes more than one.
import { realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Most packets that one call of the device's kernel moves. */
const singlesPerRun = 64;

/** DPDK's xstats of a queue, in its order. */
const counters = [
  'goodPackets',
  'goodBytes',
  'errors',
  'multicast',
  'broadcast',
  'undersize',
  'size64',
  'size65',
  'size128',
  'size256',
  'size512',
  'size1024',
  'size1519',
];

/** Most descriptors of one chain, chains, and pieces of memory that one call of the kernel of chains takes. */
const piecesPerRun = 256;

/** Bytes from one virtio-net header in a job to the next: as many as the longest has (that with a hash report). */
const headerStride = 20;

/** A copy that a thread makes is described by three int32: of the third, so many bits are its bytes, the others the pair of its memories. */
const copyNoteBits = 17;

/** Pairs of memories that copies may name. */
const copyPairs = 2 ** (32 - copyNoteBits);

/** What the jobs for the device’s side of a ring begin with: a queue is described, and lent, the same way to both kernels. */
const deviceRing = [
  [
    'The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors.',
    'packed',
    'writable',
    'inOrder',
    'size',
  ],
  [
    'What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first.',
    'tables',
  ],
  [
    'Where its parts are: handle and offset each. A packed ring has only the first.',
    'table',
    'tableAt',
    'avail',
    'availAt',
    'used',
    'usedAt',
  ],
  [
    'Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken.',
    'next',
    'nextWrap',
    'done',
    'doneWrap',
    'room',
  ],
  [
    'The window of the driver’s memory: handle and offset, guest address in halves, bytes.',
    'data',
    'dataAt',
    'low',
    'high',
    'bytes',
  ],
  [
    'Bytes of the header in front of each packet; the longest packet to take; the handle of local memory.',
    'prefix',
    'most',
    'local',
  ],
  [
    'Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind.',
    'count',
    'blocked',
  ],
  [
    'The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it.',
    'log',
    'logDataLow',
    'logDataHigh',
    'logRingLow',
    'logRingHigh',
    'logBeyond',
  ],
];

const layouts = {
  queueCounter: {
    what: 'Counters of a queue: index of each, in the order of DPDK’s xstats. Frames count without CRC.',
    groups: [
      ['Packets, bytes, what was dropped, whom they were for, and how many of which size.', ...counters],
    ],
  },
  singlesJob: {
    what: 'The words of a job for the device’s side of a ring. Handles are those of the copy engine, offsets and lengths bytes.',
    groups: [
      ...deviceRing,
      ['The packets’ own words.', ['offsets', singlesPerRun], ['lengths', singlesPerRun]],
    ],
  },
  chainsJob: {
    what: 'The words of a job for chains of any kind. It begins as `singlesJob` does; the window there is nobody’s.',
    groups: [
      ...deviceRing,
      [
        'Writable: 1 with MRG_RXBUF; 1 when every packet has its header in `headers`, else it says nothing.',
        'mergeable',
        'headed',
      ],
      [
        'Set by the run: ring slots that its chains took, the window that the last of them ends in, and a window that it does not know and needed, or -1.',
        'slots',
        'window',
        'unknown',
      ],
      [
        'The packets: of how many local pieces each is, writable ones; their headers, `headerStride` bytes each.',
        ['pieces', singlesPerRun],
        ['headers', (headerStride / 4) * singlesPerRun],
      ],
      ['Local pieces, packet after packet.', ['offsets', piecesPerRun], ['lengths', piecesPerRun]],
    ],
  },
  notesJob: {
    what: 'The words of a job for packets in chains of one descriptor each that somebody else copies. It begins as `singlesJob` does.',
    groups: [
      ...deviceRing,
      [
        'Writable: 1 with MRG_RXBUF; from one header to the next where they are copied from, a header for each number of chains.',
        'mergeable',
        'headerStep',
      ],
      ['Where its chains are kept, as `bind` called it.', 'slot'],
      [
        'Rings of transfers: numbers of the next descriptor and copy, copies there is room for; the third int32 of a copy of data, without its bytes, and that of a header’s.',
        'descriptor',
        'copy',
        'copyRoom',
        'dataNote',
        'headerNote',
      ],
      [
        'Set by the run: how many chains it took, and how many copies it noted; 1 when it stopped because there were no more chains.',
        'chains',
        'copies',
        'empty',
      ],
      [
        'The packets: where they begin in local memory, their bytes, and of how many chains each is.',
        ['offsets', singlesPerRun],
        ['lengths', singlesPerRun],
        ['counts', singlesPerRun],
      ],
    ],
  },
  copyThreadControl: {
    what: 'What a thread that copies and the one of JavaScript tell each other: each word in a cache line of its own, as one of them writes it.',
    groups: [
      [
        'Numbers, modulo 2^30: descriptors up to the first are submitted, up to the second done.',
        ['head', 16],
        ['tail', 16],
      ],
      ['1 while the thread sleeps, or is about to; 1 when it is to end.', ['asleep', 16], ['stop', 16]],
      ['Descriptors that have failed, of those that are done.', ['failures', 16]],
    ],
  },
  driverJob: {
    what: 'The words of a job for the driver’s side of a ring. Offsets are bytes in the region.',
    groups: [
      [
        'The ring, fixed: 1 packed or 0 split; 1 with IN_ORDER; descriptors; 1 when the device writes; 1 with EVENT_IDX; where the region begins for the device.',
        'packed',
        'inOrder',
        'size',
        'deviceWrites',
        'eventIdx',
        'addressLow',
        'addressHigh',
      ],
      [
        'Its parts, fixed, and the indirect tables behind it, with descriptors in each; 0: there are none.',
        'descriptors',
        'driverArea',
        'deviceArea',
        'tables',
        'tableEntries',
      ],
      [
        'Where the next buffer goes. Split: avail index; packed: position and wrap counter.',
        'availNext',
        'availWrap',
      ],
      [
        'Where the next used one appears. Split: used index taken so far; packed: position and wrap counter.',
        'usedNext',
        'usedWrap',
      ],
      [
        'The ring of free ids: the next to take, the next to fill (with IN_ORDER: the oldest that is outstanding).',
        'idHead',
        'idTail',
      ],
      ['Descriptors that are free, buffers that the device holds.', 'free', 'outstanding'],
      [
        'IN_ORDER: a batch not taken back as a whole: its last id, or -1, and the length of that one.',
        'batchId',
        'batchLength',
      ],
      [
        'What was added before a kick was last thought of. Split: avail index; packed: descriptors since.',
        'kicked',
      ],
      [
        'The pool, fixed: data of buffer 0, bytes from one to the next, bytes for data in each; and its free buffers.',
        'base',
        'stride',
        'dataRoom',
        'poolFree',
      ],
      [
        'Fixed: bytes of the header in front of the data; 1 with MRG_RXBUF; 1 where packets to send have one buffer and nothing is left to the device; 1 where frames for groups are counted; and, of what may be left to the device: 1 for checksums, 1 for ECN, a bit for each kind of segments.',
        'header',
        'mergeable',
        'simple',
        'groups',
        'checksum',
        'ecn',
        'segmentation',
      ],
      [
        'A call: slot of the burst, its first entry, the end; receive: descriptors that are free before buffers are supplied; send: packets of several segments that the device holds.',
        'burst',
        'from',
        'end',
        'freeThreshold',
        'chains',
      ],
      [
        'A mergeable packet that has not come as a whole: first and last buffer, buffers to come, bytes (-1: of no length), buffers.',
        'partHead',
        'partTail',
        'partMissing',
        'partBytes',
        'partBuffers',
      ],
      [
        'What came of it: packets; 1 when it stopped at what is for TypeScript; 1 when the device wants a kick.',
        'packets',
        'blocked',
        'kick',
      ],
    ],
  },
  packetFrame: {
    what: 'The words of a frame that a packet socket takes or gives.',
    groups: [
      [
        'Where its virtio-net header begins, which the frame follows; bytes of both: room for what comes, or what goes.',
        'at',
        'bytes',
      ],
      [
        'Of what has come: 1 when there was no room for all of it; its VLAN tag, or -1, and the EtherType of that.',
        'truncated',
        'tag',
        'tagType',
      ],
    ],
  },
};

const name = (entry) => (Array.isArray(entry) ? entry[0] : entry);
const words = (entry) => (Array.isArray(entry) ? entry[1] : 1);
const upper = (word) => word[0].toUpperCase() + word.slice(1);
const total = ({ groups }) =>
  groups.flatMap(([, ...entries]) => entries.map(words)).reduce((a, b) => a + b, 0);

/** Calls `each(comment, entries)` for every group, each entry with its first word. */
function mapGroups({ groups }, each) {
  let at = 0;
  return groups.map(([comment, ...entries]) => {
    const placed = entries.map((entry) => {
      const first = at;
      at += words(entry);
      return [name(entry), first];
    });
    return each(comment, placed);
  });
}

function typescript() {
  const tables = Object.entries(layouts).map(([table, layout]) => {
    const groups = mapGroups(layout, (comment, entries) => [
      `  /** ${comment} */`,
      ...entries.map(([entry, at]) => `  ${entry}: ${at},`),
    ]);
    return [
      `/** ${layout.what} */`,
      `export const ${table} = {`,
      ...groups.flat(),
      '} as const;',
      '',
      `/** How many of them there are. */`,
      `export const ${table}Words = ${total(layout)};`,
    ].join('\n');
  });
  return [
    '// Written by scripts/layouts.mjs, as native/kernels/layouts.h is.',
    '',
    '/** Most packets that one call of the device’s kernel moves. */',
    `export const singlesPerRun = ${singlesPerRun};`,
    '',
    '/** Most descriptors of one chain, chains, and pieces of memory that one call of the kernel of chains takes. */',
    `export const piecesPerRun = ${piecesPerRun};`,
    '',
    '/** Bytes from one virtio-net header in a job to the next. */',
    `export const headerStride = ${headerStride};`,
    '',
    '/** Of the third int32 that describes a copy, those that are its bytes; those above are the number of its pair of memories. */',
    `export const copyNoteBits = ${copyNoteBits};`,
    '',
    '/** Pairs of memories that copies may name. */',
    `export const copyPairs = ${copyPairs};`,
    '',
    `${tables.join('\n\n')}\n`,
  ].join('\n');
}

function cplusplus() {
  const tables = Object.entries(layouts).map(([table, layout]) => {
    const groups = mapGroups(layout, (comment, entries) => [
      `  // ${comment}`,
      ...entries.map(([entry, at]) => `  k${upper(entry)} = ${at},`),
    ]);
    return [
      `// ${layout.what}`,
      `namespace ${table} {`,
      'enum Word {',
      ...groups.flat(),
      `  kWords = ${total(layout)}`,
      '};',
      `}  // namespace ${table}`,
    ].join('\n');
  });
  return [
    '// Written by scripts/layouts.mjs, as src/kernels/layouts.ts is.',
    '#pragma once',
    '',
    '#include <cstdint>',
    '',
    'namespace vio {',
    '',
    '// Most packets that one call of the device’s kernel moves.',
    `constexpr int32_t kSinglesPerRun = ${singlesPerRun};`,
    '// Most descriptors of one chain, chains, and pieces of memory that one call of the kernel of chains takes.',
    `constexpr int32_t kPiecesPerRun = ${piecesPerRun};`,
    '// Bytes from one virtio-net header in a job to the next.',
    `constexpr int32_t kHeaderStride = ${headerStride};`,
    '// Of the third number that describes a copy, those bits that are its bytes; those above are the number of its pair of memories.',
    `constexpr int32_t kCopyNoteBits = ${copyNoteBits};`,
    '// Pairs of memories that copies may name.',
    `constexpr int32_t kCopyPairs = ${copyPairs};`,
    '',
    tables.join('\n\n'),
    '',
    '}  // namespace vio',
    '',
  ].join('\n');
}

/** @returns {Map<string, string>} what is in each file, by its path from the package on */
export function layoutFiles() {
  return new Map([
    ['src/kernels/layouts.ts', typescript()],
    ['native/kernels/layouts.h', cplusplus()],
  ]);
}

const script = fileURLToPath(import.meta.url);
if (realpathSync(process.argv[1] ?? '.') === realpathSync(script)) {
  for (const [file, text] of layoutFiles()) writeFileSync(join(dirname(script), '..', file), text);
}
