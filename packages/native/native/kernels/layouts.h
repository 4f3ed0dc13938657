// Written by scripts/layouts.mjs, as src/kernels/layouts.ts is.
#pragma once

#include <cstdint>

namespace vio {

// Most packets that one call of the device’s kernel moves.
constexpr int32_t kSinglesPerRun = 64;

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
  // Where its parts are: handle and offset each. A packed ring has only the first.
  kTable = 4,
  kTableAt = 5,
  kAvail = 6,
  kAvailAt = 7,
  kUsed = 8,
  kUsedAt = 9,
  // Next available and next used position, a packed ring’s with wrap counters; chains that may still be taken.
  kNext = 10,
  kNextWrap = 11,
  kDone = 12,
  kDoneWrap = 13,
  kRoom = 14,
  // The window of the driver’s memory: handle and offset, guest address in halves, bytes.
  kData = 15,
  kDataAt = 16,
  kLow = 17,
  kHigh = 18,
  kBytes = 19,
  // Bytes of the header in front of each packet; the longest packet to take; the handle of local memory.
  kPrefix = 20,
  kMost = 21,
  kLocal = 22,
  // Packets wanted. Set by the run: 1 when it stopped at a chain that is not of this kind.
  kCount = 23,
  kBlocked = 24,
  // The packets’ own words.
  kOffsets = 25,
  kLengths = 89,
  kWords = 153
};
}  // namespace singlesJob

// The words of a job for the driver’s side of a ring. Offsets are bytes in the region.
namespace vectorJob {
enum Word {
  // The ring, fixed: 1 packed or 0 split, descriptors, 1 when the device writes, where the region begins for the device.
  kPacked = 0,
  kSize = 1,
  kDeviceWrites = 2,
  kAddressLow = 3,
  kAddressHigh = 4,
  // The parts of the ring, fixed; avail and used of a split ring only.
  kDescAt = 5,
  kAvailAt = 6,
  kUsedAt = 7,
  // Split: avail index; packed: position and wrap counter of the next available descriptor.
  kAvailNext = 8,
  kAvailWrap = 9,
  // Split: used index taken so far; packed: position and wrap counter of the next used descriptor.
  kUsedNext = 10,
  kUsedWrap = 11,
  // The ring of free ids: the next to take, the next to fill; of a packed ring the latter is the oldest one held.
  kIdHead = 12,
  kIdTail = 13,
  // Descriptors free, buffers the device holds.
  kFree = 14,
  kOutstanding = 15,
  // Of a call: first entry of the arrays, entries, bytes of the header in front of the data.
  kFrom = 16,
  kCount = 17,
  kHeader = 18,
  // The pool: data of buffer 0, bytes from one to the next, bytes for data in each.
  kBase = 19,
  kStride = 20,
  kDataRoom = 21,
  // What `receive` and `send` counted, as queueCounter says.
  kCounts = 22,
  kWords = 35
};
}  // namespace vectorJob

}  // namespace vio
