// Areas: mappings, and the parts of them that JavaScript has as ArrayBuffers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common.h"

namespace vio {

// Where an area lies: `size` bytes from byte `lead` of a mapping of whole pages on.
struct Place {
  uint8_t* base;
  size_t mapped;
  size_t page;
  size_t lead;
  size_t size;
};

// Takes the mapping over, also when it fails. -> External, or undefined with an exception pending
Napi::Value NewArea(Napi::Env env, const Place& place);

// Where the area lies that this External is, and its slot of the table of mappings; null: it is closed.
const Place* OpenPlace(const Napi::Value& area, int* slot);

// The memory is to be unmapped: nobody waits for pages of it any more (faults.cc).
void ForgetFaults(const void* base);

// True where V8 can be spared the size of buffers over memory of ours.
bool Uncounted();

// An ArrayBuffer over memory of ours; `finalize` runs when it was collected. ofNode: an external one of Node's, as where there are no others.
Napi::Value NewBuffer(Napi::Env env, void* data, size_t size, bool ofNode, void (*finalize)(void* hint), void* hint);

}  // namespace vio
