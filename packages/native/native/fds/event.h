// What a descriptor is by which one side of a virtqueue wakes the other, and how it is drained (event.cc).
#pragma once

namespace vio {

// As in src/fds/event-fd.ts.
enum Kind { kEventFd, kPipe, kSocket, kOther };

// Resets what was signalled, and never blocks. kind: as in src/fds/event-fd.ts. -> true if it had been signalled
bool DrainEvent(int fd, int kind);

}  // namespace vio
