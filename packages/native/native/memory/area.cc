// The life of a mapping. It ends when it is closed, but JavaScript may have views of it still, and V8 is faster as long
// as no buffer of a process was ever detached. So what was given away as an ArrayBuffer stays there as zeroes that are
// nobody's, and its address space goes with the last of the buffers; the rest goes at once.
#include "memory/area.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "memory/mappings.h"

namespace vio {

struct Range {
  size_t from;
  size_t to;
};

// JavaScript holds it as an External; it belongs to the thread that made it.
struct Area {
  Place place;
  int slot;                   // of the table of mappings; -1: it is closed
  int holders = 0;            // the External, and buffers
  std::vector<Range> given;   // in whole pages, what there are or were buffers of
  std::vector<Range> remain;  // once closed: what is still mapped
};

static void Let(Area* area) {
  if (--area->holders > 0) return;
  const Place& place = area->place;
  if (area->slot >= 0) {
    ForgetFaults(place.base);
    munmap(place.base, place.mapped);
    ReleaseMapping(area->slot);
  }
  for (const Range& range : area->remain) munmap(place.base + range.from, range.to - range.from);
  delete area;
}

Napi::Value NewArea(Napi::Env env, const Place& place) {
  const int slot = ClaimMapping(place.base, place.mapped, place.page);
  if (slot < 0) {
    munmap(place.base, place.mapped);
    return ThrowErrno(env, "mmap", EMFILE);
  }
  auto* area = new Area{place, slot, 1, {}, {}};
  return Napi::External<Area>::New(env, area, [](Napi::Env, Area* it) { Let(it); });
}

static Area* GetArea(const Napi::CallbackInfo& info) { return info[0].As<Napi::External<Area>>().Data(); }

const Place* OpenPlace(const Napi::Value& value, int* slot) {
  const Area* area = value.As<Napi::External<Area>>().Data();
  *slot = area->slot;
  return area->slot < 0 ? nullptr : &area->place;
}

// areaView(area, offset, size, ofNode) -> an ArrayBuffer that ends behind these bytes, and begins at the page they begin in
static Napi::Value AreaView(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Area* area = GetArea(info);
  const Place& place = area->place;
  const int64_t offset = info[1].As<Napi::Number>().Int64Value();
  const int64_t size = info[2].As<Napi::Number>().Int64Value();
  const auto most = static_cast<int64_t>(place.size);
  if (area->slot < 0 || offset < 0 || size <= 0 || size > most || offset > most - size) {
    return ThrowErrno(env, "mmap", EINVAL);
  }
  const size_t start = place.lead + static_cast<size_t>(offset);
  const size_t end = start + static_cast<size_t>(size);
  const size_t least = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t from = start / least * least;
  area->given.push_back({start / place.page * place.page, (end + place.page - 1) / place.page * place.page});
  area->holders++;
  const auto finalize = [](void* hint) { Let(static_cast<Area*>(hint)); };
  return NewBuffer(env, place.base + from, end - from, info[3].As<Napi::Boolean>(), finalize, area);
}

// Sorted, and none touches another.
static std::vector<Range> Merged(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.from < b.from; });
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (merged.empty() || range.from > merged.back().to) merged.push_back(range);
    else merged.back().to = std::max(merged.back().to, range.to);
  }
  return merged;
}

// closeArea(area): the shared pages are gone, buffers of them read zeroes. Never fails: pages that cannot be replaced,
// for want of anything, stay, guarded as before, until their buffers are collected.
static Napi::Value CloseArea(const Napi::CallbackInfo& info) {
  Area* area = GetArea(info);
  const Place& place = area->place;
  if (area->slot < 0) return info.Env().Undefined();
  ForgetFaults(place.base);
  const std::vector<Range> given = Merged(area->given);
  for (const Range& range : given) {
    if (!PutZeroes(place.base + range.from, range.to - range.from)) return info.Env().Undefined();
  }
  area->remain = given;
  size_t from = 0;
  const auto drop = [&](size_t to) {
    if (from < to && munmap(place.base + from, to - from) != 0) area->remain.push_back({from, to});
  };
  for (const Range& range : given) {
    drop(range.from);
    from = range.to;
  }
  drop(place.mapped);
  ReleaseMapping(area->slot);
  area->slot = -1;
  return info.Env().Undefined();
}

static Napi::Value AreaFaulted(const Napi::CallbackInfo& info) {
  const Area* area = GetArea(info);
  const bool faulted = area->slot >= 0 && g_mappings[area->slot].faulted.load(std::memory_order_acquire) != 0;
  return Napi::Boolean::New(info.Env(), faulted);
}

void InitArea(Napi::Env env, Napi::Object exports) {
  exports.Set("uncountedBuffers", Napi::Boolean::New(env, Uncounted()));
  exports.Set("areaView", Napi::Function::New(env, AreaView));
  exports.Set("closeArea", Napi::Function::New(env, CloseArea));
  exports.Set("areaFaulted", Napi::Function::New(env, AreaFaulted));
}

}  // namespace vio
