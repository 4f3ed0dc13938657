// Packet sockets (packet(7)): the Ethernet frames of an interface of this kernel, many in one system call, each with a
// virtio-net header of ten bytes in front. What headers and tags mean is TypeScript's business.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "common.h"
#include "kernels/layouts.h"

namespace vio {

namespace {

constexpr int kIgnoreOutgoing = 23;  // PACKET_IGNORE_OUTGOING, Linux 4.20
constexpr int kBufferBytes = 8 << 20;  // what the kernel may hold in either direction: 128 of the largest frames

struct PacketBursts {
  int fd;
  uint8_t* memory;
  int64_t bytes;
  int32_t capacity;
  int32_t* incoming;
  int32_t* outgoing;
  std::vector<struct mmsghdr> messages;
  std::vector<struct iovec> parts;
  struct Control {
    alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  };
  std::vector<Control> controls;
  Napi::ObjectReference keep;

  // Describes entries of a list of frames. -> false: one lies outside the memory
  bool Describe(const int32_t* frames, int32_t from, int32_t count, bool controlled) {
    for (int32_t i = 0; i < count; i++) {
      const int32_t* frame = frames + static_cast<int64_t>(from + i) * packetFrame::kWords;
      const int64_t at = frame[packetFrame::kAt], length = frame[packetFrame::kBytes];
      if (at < 0 || length < 0 || at + length > bytes) return false;
      parts[i] = {memory + at, static_cast<size_t>(length)};
      struct msghdr& header = messages[i].msg_hdr;
      header = {};
      header.msg_iov = &parts[i];
      header.msg_iovlen = 1;
      if (!controlled) continue;
      header.msg_control = controls[i].bytes;
      header.msg_controllen = sizeof controls[i].bytes;
    }
    return true;
  }

  bool Has(int32_t from, int32_t count) const { return from >= 0 && count >= 0 && count <= capacity - from; }
};

// The kernel takes tags off the frames it gives, and says here what they were.
void NoteTag(struct msghdr* header, int32_t* frame) {
  frame[packetFrame::kTag] = -1;
  for (struct cmsghdr* part = CMSG_FIRSTHDR(header); part != nullptr; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata data;
    memcpy(&data, CMSG_DATA(part), sizeof data);
    if ((data.tp_status & TP_STATUS_VLAN_VALID) == 0) return;
    frame[packetFrame::kTag] = data.tp_vlan_tci;
    frame[packetFrame::kTagType] = (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? data.tp_vlan_tpid : ETH_P_8021Q;
  }
}

int32_t ReceiveFrames(PacketBursts& bursts, int32_t count) {
  if (!bursts.Has(0, count) || !bursts.Describe(bursts.incoming, 0, count, true)) return -EFAULT;
  const int n = recvmmsg(bursts.fd, bursts.messages.data(), count, MSG_DONTWAIT, nullptr);
  if (n < 0) return -errno;
  for (int i = 0; i < n; i++) {
    int32_t* frame = bursts.incoming + static_cast<int64_t>(i) * packetFrame::kWords;
    struct mmsghdr& message = bursts.messages[i];
    frame[packetFrame::kBytes] = static_cast<int32_t>(message.msg_len);
    frame[packetFrame::kTruncated] = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0;
    NoteTag(&message.msg_hdr, frame);
  }
  return n;
}

int32_t SendFrames(PacketBursts& bursts, int32_t from, int32_t count) {
  if (!bursts.Has(from, count) || !bursts.Describe(bursts.outgoing, from, count, false)) return -EFAULT;
  const int n = sendmmsg(bursts.fd, bursts.messages.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n < 0 ? -errno : n;
}

// The hot calls, on the bare C interface: two numbers, no objects. -> frames, or -errno
template <bool kSend>
napi_value Run(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value arguments[2];
  void* data;
  int32_t numbers[2] = {0, 0};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, &data);
  for (size_t i = 0; i < argc && i < 2; i++) napi_get_value_int32(env, arguments[i], &numbers[i]);
  auto& bursts = *static_cast<PacketBursts*>(data);
  napi_value result;
  napi_create_int32(env, kSend ? SendFrames(bursts, numbers[0], numbers[1]) : ReceiveFrames(bursts, numbers[0]), &result);
  return result;
}

// The name of the call that failed, with errno; null: the socket is what it is to be.
const char* Prepare(int fd, int index) {
  const int on = 1, bytes = kBufferBytes;
  // More than the usual limit only with CAP_NET_ADMIN; as much as there may be otherwise.
  for (const auto& [forced, usual] : {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0) {
      setsockopt(fd, SOL_SOCKET, usual, &bytes, sizeof bytes);
    }
  }
  for (const int option : {PACKET_VNET_HDR, PACKET_AUXDATA, kIgnoreOutgoing}) {
    if (setsockopt(fd, SOL_PACKET, option, &on, sizeof on) != 0) return "setsockopt";
  }
  struct packet_mreq membership = {};
  membership.mr_ifindex = index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) return "setsockopt";
  struct sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  return bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0 ? nullptr : "bind";
}

}  // namespace

// packetOpen(index) -> a socket that has all frames that come in by the interface of this number, from others
static Napi::Value PacketOpen(const Napi::CallbackInfo& info) {
  // Of no protocol: nothing comes before it is bound.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return ThrowErrno(info.Env(), "socket", errno);
  const char* failed = Prepare(fd, Int(info[0]));
  if (failed == nullptr) return Napi::Number::New(info.Env(), Own(info.Env(), fd));
  const int error = errno;
  close(fd);
  return ThrowErrno(info.Env(), failed, error);
}

// createPacketBursts(fd, memory, incoming, outgoing) -> { receive(count), send(from, count) }; the caller keeps the memory in place
static Napi::Value CreatePacketBursts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto memory = info[1].As<Napi::Uint8Array>();
  auto incoming = info[2].As<Napi::Int32Array>();
  auto outgoing = info[3].As<Napi::Int32Array>();
  if (incoming.ElementLength() != outgoing.ElementLength()) throw Napi::RangeError::New(env, "two lengths");
  auto* bursts = new PacketBursts;
  bursts->fd = Int(info[0]);
  bursts->memory = memory.Data();
  bursts->bytes = static_cast<int64_t>(memory.ByteLength());
  bursts->capacity = static_cast<int32_t>(incoming.ElementLength() / packetFrame::kWords);
  bursts->incoming = incoming.Data();
  bursts->outgoing = outgoing.Data();
  bursts->messages.resize(bursts->capacity);
  bursts->parts.resize(bursts->capacity);
  bursts->controls.resize(bursts->capacity);
  Napi::Array keep = Napi::Array::New(env, 3);
  for (uint32_t i = 0; i < 3; i++) keep.Set(i, info[i + 1]);
  bursts->keep = Napi::Persistent(keep.As<Napi::Object>());
  auto owner = Napi::External<PacketBursts>::New(env, bursts, [](Napi::Env, PacketBursts* b) { delete b; });
  Napi::Object result = Napi::Object::New(env);
  const auto add = [&](const char* name, napi_callback call) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, bursts, &function);
    Napi::Function(env, function).Set("owner", owner);
    result.Set(name, function);
  };
  add("receive", Run<false>);
  add("send", Run<true>);
  return result;
}

void InitPacket(Napi::Env env, Napi::Object exports) {
  exports.Set("packetOpen", Napi::Function::New(env, PacketOpen));
  exports.Set("createPacketBursts", Napi::Function::New(env, CreatePacketBursts));
}

}  // namespace vio
