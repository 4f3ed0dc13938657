// Whole bursts of packets in chains of any kind in one call: those of several descriptors, with indirect tables, in any windows of
// the driver's memory, and packets over several of its buffers. A packet that needs more than one buffer of this side, and what is
// to be dropped, ends the burst, and is for TypeScript. Its twin is PortableChains of @vio/vhost.
#include <memory>

#include "kernels/chain_reader.h"
#include "kernels/device_ring.h"
#include "kernels/net_header.h"

namespace vio {

using namespace chainsJob;

struct Chains {
  int32_t* job = nullptr;
  const Engine* engine = nullptr;
  std::unique_ptr<GuestMemory> memory;
  js::Reference keep;
};

// One burst: which chains hold which packet, and then the copies.
template <typename Ring>
struct ChainRun {
  using State = typename ChainReader<Ring>::State;
  using Piece = typename ChainReader<Ring>::Piece;

  DeviceMemory& device;
  Ring& ring;
  int32_t* const job;
  uint8_t* const local;
  const int32_t prefix;
  ChainReader<Ring> reader;
  int32_t packets = 0;
  int32_t firstChain[kSinglesPerRun + 1];
  bool outside = false;  // a local piece is not in local memory

  ChainRun(DeviceMemory& device, const GuestMemory& memory, Ring& ring)
      : device(device),
        ring(ring),
        job(device.job),
        local(device.local),
        prefix(device.job[kPrefix]),
        reader(device, memory, ring) {}

  bool IsLocal(int32_t at, int64_t bytes) {
    if (device.IsLocal(at, bytes)) return true;
    outside = true;
    return false;
  }

  // --- From the driver: a chain is a packet, and goes to one local buffer

  void Collect(int32_t wanted) {
    for (; packets < wanted; packets++) {
      const State before = reader.state;
      const typename Ring::Position position = ring.position;
      const Found found = reader.Next();
      if (found == Found::kNone) return;
      const int64_t bytes = found == Found::kChain ? reader.chains[before.chains].bytes - prefix : 0;
      if (bytes < 1 || bytes > job[kMost] || !IsLocal(job[kOffsets + packets], bytes)) {
        reader.state = before;
        ring.position = position;
        job[kBlocked] = 1;
        return;
      }
      job[kLengths + packets] = static_cast<int32_t>(bytes);
    }
  }

  void CopyIn() {
    for (int32_t i = 0; i < packets; i++) {
      const Piece* piece = reader.pieces + reader.chains[i].firstPiece;
      int32_t skip = prefix;
      while (skip >= piece->bytes) skip -= piece++->bytes;
      uint8_t* to = local + job[kOffsets + i];
      for (int32_t left = job[kLengths + i]; left > 0; piece++, skip = 0) {
        const int32_t part = piece->bytes - skip < left ? piece->bytes - skip : left;
        Copy(to, piece->at + skip, static_cast<size_t>(part));
        to += part;
        left -= part;
      }
    }
  }

  // --- To the driver: a packet is of one local piece or more, and goes to one chain, or with MRG_RXBUF to several

  void Supply(int32_t wanted) {
    const int64_t least = job[kMergeable] != 0 ? prefix : prefix + 1;
    int32_t piece = 0;
    for (; packets < wanted; packets++) {
      int64_t left = prefix;
      for (int32_t i = 0; i < job[kPieces + packets]; i++, piece++) {
        if (piece >= kPiecesPerRun || !IsLocal(job[kOffsets + piece], job[kLengths + piece])) {
          outside = true;
          return;
        }
        __builtin_prefetch(local + job[kOffsets + piece]);
        left += job[kLengths + piece];
      }
      const State before = reader.state;
      const typename Ring::Position position = ring.position;
      firstChain[packets] = before.chains;
      for (bool first = true; left > 0; first = false) {
        const Found found = first || job[kMergeable] != 0 ? reader.Next() : Found::kOther;
        const int64_t room = found == Found::kChain ? reader.chains[reader.state.chains - 1].bytes : 0;
        if (found != Found::kChain || (first && room < least)) {
          reader.state = before;
          ring.position = position;
          job[kBlocked] = !first || found != Found::kNone;
          return;
        }
        reader.chains[reader.state.chains - 1].written = static_cast<int32_t>(room < left ? room : left);
        left -= room;
      }
    }
    firstChain[packets] = reader.state.chains;
  }

  void CopyOut() {
    int32_t source = 0;
    for (int32_t i = 0; i < packets; i++) {
      const int32_t chains = (i + 1 < packets ? firstChain[i + 1] : reader.state.chains) - firstChain[i];
      const Piece* piece = reader.pieces + reader.chains[firstChain[i]].firstPiece;
      int32_t at = WriteHeader(piece, i, chains);
      while (at >= piece->bytes) at -= piece++->bytes;
      for (int32_t end = source + job[kPieces + i]; source < end; source++) {
        const uint8_t* from = local + job[kOffsets + source];
        for (int32_t left = job[kLengths + source]; left > 0;) {
          if (at == piece->bytes) {
            piece++;
            at = 0;
          }
          const int32_t part = piece->bytes - at < left ? piece->bytes - at : left;
          Copy(piece->at + at, from, static_cast<size_t>(part));
          from += part;
          at += part;
          left -= part;
        }
      }
    }
  }

  // -> bytes of the header
  int32_t WriteHeader(const Piece* piece, int32_t i, int32_t chains) const {
    if (job[kHeaded] == 0 && piece->bytes >= prefix) {
      WritePlainHeader(piece->at, prefix, chains);
      return prefix;
    }
    uint8_t header[64] = {};
    if (job[kHeaded] != 0) memcpy(header, reinterpret_cast<const uint8_t*>(job + kHeaders) + i * kHeaderStride, kHeaderStride);
    if (prefix >= 12) {
      header[kNumBuffersAt] = static_cast<uint8_t>(chains);
      header[kNumBuffersAt + 1] = static_cast<uint8_t>(chains >> 8);
    }
    for (int32_t done = 0; done < prefix; piece++) {
      const int32_t part = piece->bytes < prefix - done ? piece->bytes : prefix - done;
      memcpy(piece->at, header + done, static_cast<size_t>(part));
      done += part;
    }
    return prefix;
  }

  // --- Afterwards

  // After the copies, and before anything is marked used.
  void MarkData() {
    DirtyLog& log = device.log;
    if (log.bits == nullptr || job[kWritable] == 0) return;
    log.Written();
    for (int32_t c = 0; c < reader.state.chains; c++) {
      int64_t left = reader.chains[c].written;
      for (const Piece* piece = reader.pieces + reader.chains[c].firstPiece; left > 0; piece++) {
        const int64_t part = piece->bytes < left ? piece->bytes : left;
        log.Mark(piece->guest, static_cast<uint64_t>(part));
        left -= part;
      }
    }
  }

  void Publish() {
    job[kSlots] = ring.Publish(reader.state.chains, false, [this](int32_t c) {
      const auto& chain = reader.chains[c];
      return UsedChain{static_cast<uint32_t>(chain.id), static_cast<uint32_t>(chain.written), chain.slots};
    });
  }
};

// -> packets moved, or -1 when one is outside of local memory
template <typename Ring>
static int32_t RunRing(DeviceMemory& device, const GuestMemory& memory) {
  int32_t* job = device.job;
  Ring ring(device);
  if (!ring.Look()) {
    job[kBlocked] = 1;  // nonsense, which the other way says in words
    return 0;
  }
  ChainRun<Ring> run(device, memory, ring);
  const bool writable = job[kWritable] != 0;
  if (writable) run.Supply(device.wanted);
  else run.Collect(device.wanted);
  job[kUnknown] = run.reader.unknown;
  if (run.outside) return -1;
  if (run.packets == 0) return 0;
  if (writable) run.CopyOut();
  else run.CopyIn();
  run.MarkData();
  run.Publish();
  job[kWindow] = run.reader.state.window;
  device.Settle();
  return run.packets;
}

// -> packets moved, or -1 when the job names memory that is not registered.
static int32_t RunChains(const Chains& chains) {
  DeviceMemory device;
  chains.job[kSlots] = 0;
  chains.job[kUnknown] = -1;
  if (!device.Open(chains.engine, chains.job, kHeaderStride)) return -1;
  return chains.job[kPacked] != 0 ? RunRing<PackedDeviceRing>(device, *chains.memory)
                                  : RunRing<SplitDeviceRing>(device, *chains.memory);
}

static napi_value Run(napi_env env, napi_callback_info info) {
  void* data;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  napi_value result;
  napi_create_int32(env, RunChains(*static_cast<const Chains*>(data)), &result);
  return result;
}

// engine.chains(parts) -> run(); parts: job, and of each window its guest address, bytes and handle (-1: it has none yet)
js::Value CreateChains(const js::CallbackInfo& info) {
  js::Env env = info.Env();
  auto parts = info[0].As<js::Object>();
  auto job = parts.Get("job").As<js::Int32Array>();
  auto bases = parts.Get("guestBase").As<js::Float64Array>();
  auto sizes = parts.Get("size").As<js::Int32Array>();
  auto handles = parts.Get("handles").As<js::Int32Array>();
  const size_t windows = bases.ElementLength();
  if (job.ElementLength() < kWords) throw js::RangeError(env, "a job has too few words");
  if (sizes.ElementLength() != windows || handles.ElementLength() != windows) {
    throw js::RangeError(env, "windows have one address, size and handle each");
  }
  auto chains = std::make_unique<Chains>();
  chains->job = job.Data();
  chains->engine = static_cast<const Engine*>(info.Data());
  chains->memory = std::make_unique<GuestMemory>(chains->engine, bases.Data(), sizes.Data(), handles.Data(), windows);
  chains->keep = js::Persistent(parts);
  js::Function function = js::Function::Bare(env, "runChains", Run, chains.get());
  function.Set("owner", js::External<Chains>::New(env, chains.release()));
  // The engine's memory, as well.
  function.Set("engine", info.This());
  return function;
}

}  // namespace vio
