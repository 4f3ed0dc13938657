// Written by scripts/layouts.mjs, as src/kernels/layouts.ts is.
#pragma once

#include <cstdint>

namespace vio {

// Most packets that one call of the device’s kernel moves.
constexpr int32_t kSinglesPerRun = 64;
// Most descriptors of one chain, chains, and pieces of memory that one call of the kernel of chains takes.
constexpr int32_t kPiecesPerRun = 256;
// Bytes from one virtio-net header in a job to the next.
constexpr int32_t kHeaderStride = 20;
// Of the third number that describes a copy, those bits that are its bytes; those above are the number of its pair of memories.
constexpr int32_t kCopyNoteBits = 17;
// Pairs of memories that copies may name.
constexpr int32_t kCopyPairs = 32768;

// Counters of a queue: index of each, in the order of DPDK’s xstats. Frames count without CRC.
namespace queueCounter {
enum Word {
  // Packets, bytes, what was dropped, whom they were for, and how many of which size.
  kGoodPackets = 0,
  kGoodBytes = 1,
  kErrors = 2,
  kMulticast = 3,
  kBroadcast = 4,
  kUndersize = 5,
  kSize64 = 6,
  kSize65 = 7,
  kSize128 = 8,
  kSize256 = 9,
  kSize512 = 10,
  kSize1024 = 11,
  kSize1519 = 12,
  kWords = 13
};
}  // namespace queueCounter

// The words of a job for the device’s side of a ring. Handles are those of the copy engine, offsets and lengths bytes.
namespace singlesJob {
enum Word {
  // The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors.
  kPacked = 0,
  kWritable = 1,
  kInOrder = 2,
  kSize = 3,
  // What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first.
  kTables = 4,
  // Where its parts are: handle and offset each. A packed ring has only the first.
  kTable = 5,
  kTableAt = 6,
  kAvail = 7,
  kAvailAt = 8,
  kUsed = 9,
  kUsedAt = 10,
  // Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken.
  kNext = 11,
  kNextWrap = 12,
  kDone = 13,
  kDoneWrap = 14,
  kRoom = 15,
  // The window of the driver’s memory: handle and offset, guest address in halves, bytes.
  kData = 16,
  kDataAt = 17,
  kLow = 18,
  kHigh = 19,
  kBytes = 20,
  // Bytes of the header in front of each packet; the longest packet to take; the handle of local memory.
  kPrefix = 21,
  kMost = 22,
  kLocal = 23,
  // Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind.
  kCount = 24,
  kBlocked = 25,
  // The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it.
  kLog = 26,
  kLogDataLow = 27,
  kLogDataHigh = 28,
  kLogRingLow = 29,
  kLogRingHigh = 30,
  kLogBeyond = 31,
  // The packets’ own words.
  kOffsets = 32,
  kLengths = 96,
  kWords = 160
};
}  // namespace singlesJob

// The words of a job for chains of any kind. It begins as `singlesJob` does; the window there is nobody’s.
namespace chainsJob {
enum Word {
  // The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors.
  kPacked = 0,
  kWritable = 1,
  kInOrder = 2,
  kSize = 3,
  // What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first.
  kTables = 4,
  // Where its parts are: handle and offset each. A packed ring has only the first.
  kTable = 5,
  kTableAt = 6,
  kAvail = 7,
  kAvailAt = 8,
  kUsed = 9,
  kUsedAt = 10,
  // Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken.
  kNext = 11,
  kNextWrap = 12,
  kDone = 13,
  kDoneWrap = 14,
  kRoom = 15,
  // The window of the driver’s memory: handle and offset, guest address in halves, bytes.
  kData = 16,
  kDataAt = 17,
  kLow = 18,
  kHigh = 19,
  kBytes = 20,
  // Bytes of the header in front of each packet; the longest packet to take; the handle of local memory.
  kPrefix = 21,
  kMost = 22,
  kLocal = 23,
  // Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind.
  kCount = 24,
  kBlocked = 25,
  // The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it.
  kLog = 26,
  kLogDataLow = 27,
  kLogDataHigh = 28,
  kLogRingLow = 29,
  kLogRingHigh = 30,
  kLogBeyond = 31,
  // Writable: 1 with MRG_RXBUF; 1 when every packet has its header in `headers`, else it says nothing.
  kMergeable = 32,
  kHeaded = 33,
  // Set by the run: ring slots that its chains took, the window that the last of them ends in, and a window that it does not know and needed, or -1.
  kSlots = 34,
  kWindow = 35,
  kUnknown = 36,
  // The packets: of how many local pieces each is, writable ones; their headers, `headerStride` bytes each.
  kPieces = 37,
  kHeaders = 101,
  // Local pieces, packet after packet.
  kOffsets = 421,
  kLengths = 677,
  kWords = 933
};
}  // namespace chainsJob

// The words of a job for packets in chains of one descriptor each that somebody else copies. It begins as `singlesJob` does.
namespace notesJob {
enum Word {
  // The ring: 1 packed or 0 split; 1 when the device writes the buffers; 1 with IN_ORDER; descriptors.
  kPacked = 0,
  kWritable = 1,
  kInOrder = 2,
  kSize = 3,
  // What its indirect tables hold, for those who take them: 0 there are none; 1 buffers as their flags say; 2 such as are read; 3 such as are written. -1: addresses have to be translated first.
  kTables = 4,
  // Where its parts are: handle and offset each. A packed ring has only the first.
  kTable = 5,
  kTableAt = 6,
  kAvail = 7,
  kAvailAt = 8,
  kUsed = 9,
  kUsedAt = 10,
  // Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken.
  kNext = 11,
  kNextWrap = 12,
  kDone = 13,
  kDoneWrap = 14,
  kRoom = 15,
  // The window of the driver’s memory: handle and offset, guest address in halves, bytes.
  kData = 16,
  kDataAt = 17,
  kLow = 18,
  kHigh = 19,
  kBytes = 20,
  // Bytes of the header in front of each packet; the longest packet to take; the handle of local memory.
  kPrefix = 21,
  kMost = 22,
  kLocal = 23,
  // Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind.
  kCount = 24,
  kBlocked = 25,
  // The log of what is written: its handle, -1: there is none; the guest address of that window, and of the used or packed ring, in halves. Set by the run: 1 when something lies beyond it.
  kLog = 26,
  kLogDataLow = 27,
  kLogDataHigh = 28,
  kLogRingLow = 29,
  kLogRingHigh = 30,
  kLogBeyond = 31,
  // Writable: 1 with MRG_RXBUF; from one header to the next where they are copied from, a header for each number of chains.
  kMergeable = 32,
  kHeaderStep = 33,
  // Where its chains are kept, as `bind` called it.
  kSlot = 34,
  // Rings of transfers: numbers of the next descriptor and copy, copies there is room for; the third int32 of a copy of data, without its bytes, and that of a header’s.
  kDescriptor = 35,
  kCopy = 36,
  kCopyRoom = 37,
  kDataNote = 38,
  kHeaderNote = 39,
  // Set by the run: how many chains it took, and how many copies it noted; 1 when it stopped because there were no more chains.
  kChains = 40,
  kCopies = 41,
  kEmpty = 42,
  // The packets: where they begin in local memory, their bytes, and of how many chains each is.
  kOffsets = 43,
  kLengths = 107,
  kCounts = 171,
  kWords = 235
};
}  // namespace notesJob

// What a thread that copies and the one of JavaScript tell each other: each word in a cache line of its own, as one of them writes it.
namespace copyThreadControl {
enum Word {
  // Numbers, modulo 2^30: descriptors up to the first are submitted, up to the second done.
  kHead = 0,
  kTail = 16,
  // 1 while the thread sleeps, or is about to; 1 when it is to end.
  kAsleep = 32,
  kStop = 48,
  // Descriptors that have failed, of those that are done.
  kFailures = 64,
  kWords = 80
};
}  // namespace copyThreadControl

// The words of a job for the driver’s side of a ring. Offsets are bytes in the region.
namespace driverJob {
enum Word {
  // The ring, fixed: 1 packed or 0 split; 1 with IN_ORDER; descriptors; 1 when the device writes; 1 with EVENT_IDX; where the region begins for the device.
  kPacked = 0,
  kInOrder = 1,
  kSize = 2,
  kDeviceWrites = 3,
  kEventIdx = 4,
  kAddressLow = 5,
  kAddressHigh = 6,
  // Its parts, fixed, and the indirect tables behind it, with descriptors in each; 0: there are none.
  kDescriptors = 7,
  kDriverArea = 8,
  kDeviceArea = 9,
  kTables = 10,
  kTableEntries = 11,
  // Where the next buffer goes. Split: avail index; packed: position and wrap counter.
  kAvailNext = 12,
  kAvailWrap = 13,
  // Where the next used one appears. Split: used index taken so far; packed: position and wrap counter.
  kUsedNext = 14,
  kUsedWrap = 15,
  // The ring of free ids: the next to take, the next to fill (with IN_ORDER: the oldest that is outstanding).
  kIdHead = 16,
  kIdTail = 17,
  // Descriptors that are free, buffers that the device holds.
  kFree = 18,
  kOutstanding = 19,
  // IN_ORDER: a batch not taken back as a whole: its last id, or -1, and the length of that one.
  kBatchId = 20,
  kBatchLength = 21,
  // What was added before a kick was last thought of. Split: avail index; packed: descriptors since.
  kKicked = 22,
  // The pool, fixed: data of buffer 0, bytes from one to the next, bytes for data in each; and its free buffers.
  kBase = 23,
  kStride = 24,
  kDataRoom = 25,
  kPoolFree = 26,
  // Fixed: bytes of the header in front of the data; 1 with MRG_RXBUF; 1 where packets to send have one buffer and nothing is left to the device; 1 where frames for groups are counted; and, of what may be left to the device: 1 for checksums, 1 for ECN, a bit for each kind of segments.
  kHeader = 27,
  kMergeable = 28,
  kSimple = 29,
  kGroups = 30,
  kChecksum = 31,
  kEcn = 32,
  kSegmentation = 33,
  // A call: slot of the burst, its first entry, the end; receive: descriptors that are free before buffers are supplied; send: packets of several segments that the device holds.
  kBurst = 34,
  kFrom = 35,
  kEnd = 36,
  kFreeThreshold = 37,
  kChains = 38,
  // A mergeable packet that has not come as a whole: first and last buffer, buffers to come, bytes (-1: of no length), buffers.
  kPartHead = 39,
  kPartTail = 40,
  kPartMissing = 41,
  kPartBytes = 42,
  kPartBuffers = 43,
  // What came of it: packets; 1 when it stopped at what is for TypeScript; 1 when the device wants a kick.
  kPackets = 44,
  kBlocked = 45,
  kKick = 46,
  kWords = 47
};
}  // namespace driverJob

// The words of a frame that a packet socket takes or gives.
namespace packetFrame {
enum Word {
  // Where its virtio-net header begins, which the frame follows; bytes of both: room for what comes, or what goes.
  kAt = 0,
  kBytes = 1,
  // Of what has come: 1 when there was no room for all of it; its VLAN tag, or -1, and the EtherType of that.
  kTruncated = 2,
  kTag = 3,
  kTagType = 4,
  kWords = 5
};
}  // namespace packetFrame

}  // namespace vio
