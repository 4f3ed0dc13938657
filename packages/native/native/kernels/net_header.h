// struct virtio_net_hdr in front of a packet (virtio 1.4, 5.1.9). Its twin is HeaderCodec of @vio/net.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/layouts.h"

namespace vio {

constexpr int32_t kNumBuffersAt = 10;

// Clears a header of 10 to 20 bytes. One that is clear already, as a recycled buffer's is, is only read. So is that of a packet
// which came in a mergeable buffer and is forwarded: it says that there is 1, where 0 is asked for (5.1.6.2.1) and no device looks.
// A device that finds 1 there does not write it again, and the line need not move between cores twice for each packet.
inline void ClearHeader(uint8_t* at, int32_t bytes) {
  if (bytes == 12) {
    // Nearly every header there is, without a call of memcpy.
    uint64_t front;
    uint32_t back;
    memcpy(&front, at, 8);
    memcpy(&back, at + 8, 4);
    if ((reinterpret_cast<uintptr_t>(at) & 3) == 0) back &= ~(1u << 16);
    if ((front | back) != 0) memset(at, 0, 12);
    return;
  }
  uint32_t words[5] = {};
  memcpy(words, at, bytes);
  if ((words[0] | words[1] | words[2] | words[3] | words[4]) != 0) memset(at, 0, bytes);
}

// Writes a header that says nothing but over how many buffers its packet is spread. Words are stored where they differ: the
// cache line of a recycled buffer stays clean.
inline void WritePlainHeader(uint8_t* at, int32_t bytes, int32_t buffers) {
  if (bytes == 12 && (reinterpret_cast<uintptr_t>(at) & 3) == 0) {
    auto* words = reinterpret_cast<uint32_t*>(at);
    const uint32_t wanted[3] = {0, 0, static_cast<uint32_t>(buffers) << 16};
    for (int i = 0; i < 3; i++) {
      if (__atomic_load_n(words + i, __ATOMIC_RELAXED) != wanted[i]) __atomic_store_n(words + i, wanted[i], __ATOMIC_RELAXED);
    }
    return;
  }
  memset(at, 0, static_cast<size_t>(bytes));
  if (bytes < 12) return;
  at[kNumBuffersAt] = static_cast<uint8_t>(buffers);
  at[kNumBuffersAt + 1] = static_cast<uint8_t>(buffers >> 8);
}

// What a burst's packets leave to the device: arrays by packet, as PacketOffloads of @vio/net has them.
struct Offloads {
  const uint8_t* flags = nullptr;  // null: nothing is left to it
  const uint8_t* gsoType = nullptr;
  const uint16_t* headerLength = nullptr;
  const uint16_t* segmentSize = nullptr;
  const uint16_t* checksumStart = nullptr;
  const uint16_t* checksumOffset = nullptr;
};

// Writes what was negotiated of that into headers.
class HeaderWriter {
 public:
  HeaderWriter(const int32_t* job, const Offloads& offloads)
      : offloads_(offloads),
        bytes_(job[driverJob::kHeader]),
        checksum_(job[driverJob::kChecksum] != 0),
        ecn_(job[driverJob::kEcn] != 0),
        segmentation_(job[driverJob::kSegmentation]) {}

  void Write(uint8_t* at, int32_t i) const {
    if (offloads_.flags == nullptr || offloads_.flags[i] == 0) return ClearHeader(at, bytes_);
    memset(at, 0, bytes_);
    if (!checksum_ || (offloads_.flags[i] & kNeedsChecksum) == 0 || bytes_ < 10) return;
    at[0] = kNeedsChecksum;
    const uint8_t type = offloads_.gsoType[i], kind = type & ~kEcnBit;
    if (kind < 32 && (segmentation_ >> kind & 1) != 0) {
      at[1] = ecn_ ? type : kind;
      memcpy(at + 2, offloads_.headerLength + i, 2);
      memcpy(at + 4, offloads_.segmentSize + i, 2);
    }
    memcpy(at + 6, offloads_.checksumStart + i, 2);
    memcpy(at + 8, offloads_.checksumOffset + i, 2);
  }

 private:
  static constexpr uint8_t kNeedsChecksum = 1, kEcnBit = 0x80;

  const Offloads& offloads_;
  const int32_t bytes_;
  const bool checksum_, ecn_;
  const uint32_t segmentation_;
};

// Over how many buffers a packet is spread. Read once: the device could still write it. Devices that leave it 0 mean 1.
inline int32_t NumBuffers(const uint8_t* header) {
  const uint16_t buffers = __atomic_load_n(reinterpret_cast<const uint16_t*>(header + kNumBuffersAt), __ATOMIC_RELAXED);
  return buffers == 0 ? 1 : buffers;
}

}  // namespace vio
