// A release has its C++ library in it (libc++). Of that a third of the addon would be what makes names of types readable, for one
// message only: that of an exception which nobody catches. With this in its place the message has the name as the linker knows it.
#include <cstddef>

#ifdef _LIBCPP_VERSION

extern "C" char *__cxa_demangle(const char *, char *, std::size_t *, int *status) {
  if (status != nullptr) *status = -2;  // no name that it knows
  return nullptr;
}

#endif
