// Addresses of Unix sockets.
#pragma once

#include <sys/un.h>

#include <cstring>
#include <string>

namespace vio {

// False for a path that does not fit.
inline bool SocketAddress(const std::string& path, struct sockaddr_un* address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof address->sun_path) return false;
  memcpy(address->sun_path, path.data(), path.size());
  return true;
}

}  // namespace vio
