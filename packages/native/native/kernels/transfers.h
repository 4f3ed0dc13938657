// The rings that describe copies to whoever makes them, as CopyRings of copy-queue.ts has them.
#pragma once

#include "kernels/layouts.h"

namespace vio {

constexpr int32_t kNumberMask = 0x3fffffff;  // descriptors and copies are numbered modulo 2^30
constexpr int32_t kDescriptorWords = 2;      // first copy, how many
constexpr int32_t kCopyWords = 3;            // source offset, destination offset, bytes and pair
constexpr int32_t kLongestCopy = (1 << kCopyNoteBits) - 1;

}  // namespace vio
