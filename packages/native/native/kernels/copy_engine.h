// What the kernels that move packets share: the memory they may touch, and the copy itself.
#pragma once

#include <cstring>
#include <vector>

#include "kernels/js.h"

namespace vio {

struct Target {
  uint8_t* base = nullptr;  // null: the handle is free
  int64_t size = 0;
  js::Reference keep;
};

struct Engine {
  const int32_t* ops = nullptr;  // five numbers per copy: source, offset, destination, offset, bytes
  int32_t capacity = 0;
  js::Reference keep;
  std::vector<Target> targets;
};

// Packets are mostly small: 64 bytes and less as four overlapping vector moves, the rest by memmove (as fast as
// memcpy, and defined when both ranges overlap).
inline void Copy(uint8_t* to, const uint8_t* from, size_t n) {
  if (n <= 64 && n >= 16) {
    using Block = struct { uint8_t b[16]; };
    Block a, b, c, d;
    const size_t half = n >= 32 ? 16 : 0;
    memcpy(&a, from, 16);
    memcpy(&b, from + half, 16);
    memcpy(&c, from + n - 16 - half, 16);
    memcpy(&d, from + n - 16, 16);
    memcpy(to, &a, 16);
    memcpy(to + half, &b, 16);
    memcpy(to + n - 16 - half, &c, 16);
    memcpy(to + n - 16, &d, 16);
  } else {
    memmove(to, from, n);
  }
}

inline bool Inside(const Engine* engine, int32_t handle, int32_t offset, int32_t length, uint8_t** at) {
  if (static_cast<uint32_t>(handle) >= engine->targets.size()) return false;
  const Target& target = engine->targets[handle];
  if (offset < 0 || length < 0 || static_cast<int64_t>(offset) + length > target.size) return false;
  *at = target.base + offset;
  return target.base != nullptr;
}

// singles.cc: engine.singles(job: Int32Array) -> run()
js::Value CreateSingles(const js::CallbackInfo& info);

// chains.cc: engine.chains(parts) -> run()
js::Value CreateChains(const js::CallbackInfo& info);

// notes.cc: engine.notes(parts) -> { run, bind, unbind }
js::Value CreateNotes(const js::CallbackInfo& info);

}  // namespace vio
