// Packets in chains of one descriptor each that somebody else copies: a run of chains is fetched off a ring, checked, and its copies
// are noted in rings of transfers. No byte of a packet is touched, and nothing is marked used. What is not of that kind ends the run,
// and is for TypeScript. Its twins are SingleSubmit and SingleFetch of @vio/vhost.
//
// Everything the driver can write is read once, by an atomic load, and what was read is checked. Notes are stored by atomic stores:
// the thread that reads them has given their entries back by what JavaScript has read, which a race detector does not see.
#include <memory>

#include "kernels/device_ring.h"
#include "kernels/transfers.h"

namespace vio {

using namespace notesJob;
static_assert(static_cast<int>(deviceJob::kPacked) == kPacked && static_cast<int>(deviceJob::kLogBeyond) == kLogBeyond);

// Where chains are kept until they are used: arrays by chain.
struct KeptChains {
  int32_t* id = nullptr;
  int32_t* offset = nullptr;
  int32_t* length = nullptr;
  int32_t* written = nullptr;
  int32_t capacity = 0;
  js::Reference keep;
};

struct Notes {
  int32_t* job = nullptr;
  const Engine* engine = nullptr;
  int32_t* descriptors = nullptr;
  int32_t* copies = nullptr;
  int32_t descriptorMask = 0;
  int32_t copyMask = 0;
  std::vector<KeptChains> kept;
  js::Reference keep;
};

static void Put(int32_t* word, int32_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }

template <typename Ring>
class NoteRun {
 public:
  int32_t packets = 0;
  int32_t chains = 0;
  int32_t copies = 0;

  NoteRun(const Notes& notes, const DeviceMemory& device, Ring& ring)
      : notes(notes),
        job(notes.job),
        kept(notes.kept[job[kSlot]]),
        ring(ring),
        base(device.Address(kLow, kHigh)),
        bytes(job[kBytes]),
        dataAt(job[kDataAt]),
        prefix(job[kPrefix]),
        flags(job[kWritable] != 0 ? kWriteFlag : 0) {}

  // A packet of the driver's, to its local buffer. -> false: there is none, or not of this kind
  bool Fetch() {
    const int32_t chain = chains;
    if (copies == job[kCopyRoom] || !Next(job[kMost])) return false;
    job[kLengths + packets] = kept.length[chain];
    Note(copies++, kept.offset[chain], job[kOffsets + packets], kept.length[chain]);
    Describe(copies - 1, 1);
    return true;
  }

  // A packet to the driver, behind its header, over as many chains as it takes. -> false: it does not fit those that are there
  bool Submit() {
    const auto position = ring.position;
    const int32_t firstChain = chains, firstCopy = copies;
    int32_t from = job[kOffsets + packets];
    int32_t left = job[kLengths + packets];
    if (left < 1 || left > kLongestCopy) return false;
    int32_t ahead = 0;  // in front of what the first chain has is the header; the others have none
    int32_t end = -1;
    copies++;
    for (;;) {
      const int32_t chain = chains;
      if (copies >= job[kCopyRoom] || !Next(kLongestBuffer)) break;
      const int32_t space = kept.length[chain] + ahead;
      const int32_t piece = space < left ? space : left;
      const int32_t to = kept.offset[chain] - ahead;
      kept.written[chain] = piece + prefix - ahead;
      // Buffers that lie side by side are one.
      if (to == end) Extend(copies - 1, piece);
      else Note(copies++, from, to, piece);
      end = to + piece;
      from += piece;
      left -= piece;
      ahead = prefix;
      if (left == 0 || job[kMergeable] == 0) break;
    }
    if (left > 0) {
      // More than the whole ring will never be there.
      if (chains - firstChain >= job[kSize]) job[kEmpty] = 0;
      ring.position = position;
      chains = firstChain;
      copies = firstCopy;
      return false;
    }
    int32_t* header = Copy(firstCopy);
    Put(header, (chains - firstChain) * job[kHeaderStep]);
    Put(header + 1, kept.offset[firstChain] - prefix);
    Put(header + 2, job[kHeaderNote]);
    Describe(firstCopy, chains - firstChain);
    return true;
  }

 private:
  // Takes a chain with up to so many bytes behind the prefix.
  bool Next(int32_t most) {
    if (chains == kept.capacity) return false;
    Head head;
    const Found found = ring.Full() ? Found::kOther : ring.Peek(&head);
    if (found == Found::kNone) {
      job[kEmpty] = 1;
      return false;
    }
    if (found == Found::kOther || !Keep(head, most)) {
      job[kBlocked] = 1;
      return false;
    }
    ring.Take(1);
    chains++;
    return true;
  }

  bool Keep(const Head& head, int32_t most) {
    Single single;
    if (!single.Read(head, Ring::Flags(head.last), flags, base, bytes)) return false;
    const int32_t room = single.length - prefix;
    if (room < 1 || room > most) return false;
    kept.id[chains] = Ring::Id(head, head.last);
    kept.offset[chains] = dataAt + single.offset + prefix;
    kept.length[chains] = room;
    return true;
  }

  int32_t* Copy(int32_t copy) const {
    return notes.copies + static_cast<int64_t>((job[kCopy] + copy) & notes.copyMask) * kCopyWords;
  }

  void Note(int32_t copy, int32_t from, int32_t to, int32_t length) {
    int32_t* note = Copy(copy);
    Put(note, from);
    Put(note + 1, to);
    Put(note + 2, job[kDataNote] | length);
  }

  // The packet is not longer than a copy may be.
  void Extend(int32_t copy, int32_t by) {
    int32_t* note = Copy(copy);
    Put(note + 2, note[2] + by);
  }

  void Describe(int32_t firstCopy, int32_t count) {
    const int32_t number = job[kDescriptor] + packets;
    int32_t* descriptor = notes.descriptors + static_cast<int64_t>(number & notes.descriptorMask) * kDescriptorWords;
    Put(descriptor, (job[kCopy] + firstCopy) & kNumberMask);
    Put(descriptor + 1, copies - firstCopy);
    job[kCounts + packets] = count;
    packets++;
  }

  const Notes& notes;
  int32_t* const job;
  const KeptChains& kept;
  Ring& ring;
  const uint64_t base;
  const int64_t bytes;
  const int32_t dataAt;
  const int32_t prefix;
  const uint32_t flags;  // what those of a descriptor must be
};

template <typename Ring>
static int32_t RunRing(const Notes& notes, DeviceMemory& device) {
  int32_t* job = notes.job;
  Ring ring(device);
  if (!ring.Look()) {
    job[kBlocked] = 1;  // nonsense, which the other way says in words
    return 0;
  }
  NoteRun<Ring> run(notes, device, ring);
  const bool writable = job[kWritable] != 0;
  while (run.packets < device.wanted && (writable ? run.Submit() : run.Fetch())) continue;
  job[kChains] = run.chains;
  job[kCopies] = run.copies;
  return run.packets;
}

// -> packets noted, or -1 when the job names what is not there
static int32_t RunNotes(const Notes& notes) {
  DeviceMemory device;
  int32_t* job = notes.job;
  job[kChains] = job[kCopies] = job[kEmpty] = 0;
  if (!device.Open(notes.engine, job, 64)) return -1;
  const int32_t slot = job[kSlot];
  if (slot < 0 || static_cast<size_t>(slot) >= notes.kept.size() || notes.kept[slot].capacity == 0) return -1;
  if (!Between(job[kCopyRoom], 0, notes.copyMask + 1)) return -1;
  return job[kPacked] != 0 ? RunRing<PackedDeviceRing>(notes, device) : RunRing<SplitDeviceRing>(notes, device);
}

static napi_value Run(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  napi_value result;
  napi_create_int32(env, RunNotes(*static_cast<const Notes*>(data)), &result);
  return result;
}

static int32_t* Array(const js::Object& arrays, const char* name, size_t* count) {
  auto array = arrays.Get(name).As<js::Int32Array>();
  *count = array.ElementLength();
  return array.Data();
}

// bind({ id, offset, length, written }) -> slot
static js::Value Bind(const js::CallbackInfo& info) {
  auto* notes = static_cast<Notes*>(info.Data());
  auto arrays = info[0].As<js::Object>();
  size_t counts[4];
  KeptChains kept;
  kept.id = Array(arrays, "id", counts);
  kept.offset = Array(arrays, "offset", counts + 1);
  kept.length = Array(arrays, "length", counts + 2);
  kept.written = Array(arrays, "written", counts + 3);
  kept.capacity = static_cast<int32_t>(counts[0]);
  for (const size_t count : counts) {
    if (count != counts[0] || count == 0) throw js::RangeError(info.Env(), "the arrays do not fit each other");
  }
  kept.keep = js::Persistent(arrays);
  size_t slot = 0;
  while (slot < notes->kept.size() && notes->kept[slot].capacity != 0) slot++;
  if (slot == notes->kept.size()) notes->kept.emplace_back();
  notes->kept[slot] = std::move(kept);
  return js::Number::New(info.Env(), static_cast<double>(slot));
}

static void Unbind(const js::CallbackInfo& info) {
  auto* notes = static_cast<Notes*>(info.Data());
  const int slot = Int(info[0]);
  if (slot >= 0 && static_cast<size_t>(slot) < notes->kept.size()) notes->kept[slot] = KeptChains();
}

static bool IsPower(size_t count) { return count > 0 && (count & (count - 1)) == 0; }

// engine.notes({ job, descriptors, copies }) -> { run, bind, unbind }
js::Value CreateNotes(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto parts = info[0].As<js::Object>();
  size_t words, descriptors, copies;
  auto notes = std::make_unique<Notes>();
  notes->job = Array(parts, "job", &words);
  notes->descriptors = Array(parts, "descriptors", &descriptors);
  notes->copies = Array(parts, "copies", &copies);
  if (words < kWords) throw js::RangeError(env, "a job has too few words");
  if (descriptors % kDescriptorWords != 0 || !IsPower(descriptors / kDescriptorWords) || copies % kCopyWords != 0 || !IsPower(copies / kCopyWords)) {
    throw js::RangeError(env, "rings of transfers have a power of two of entries");
  }
  notes->descriptorMask = static_cast<int32_t>(descriptors / kDescriptorWords) - 1;
  notes->copyMask = static_cast<int32_t>(copies / kCopyWords) - 1;
  notes->engine = static_cast<const Engine*>(info.Data());
  notes->keep = js::Persistent(parts);
  Notes* it = notes.release();
  auto owner = js::External<Notes>::New(env, it);
  js::Object result = js::Object::New(env);
  const auto add = [&](const char* name, js::Function function) {
    function.Set("owner", owner);
    // The engine's memory, as well.
    function.Set("engine", info.This());
    result.Set(name, function);
  };
  add("run", js::Function::Bare(env, "run", Run, it));
  add("bind", js::Function::New<Bind>(env, "bind", it));
  add("unbind", js::Function::New<Unbind>(env, "unbind", it));
  return result;
}

}  // namespace vio
