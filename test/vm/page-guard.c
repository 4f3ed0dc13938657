// Takes pages of this process away, and gives them back: whoever touches one that is away dies of it (SIGSEGV), whatever code it is.
#include <node_api.h>
#include <stdint.h>
#include <sys/mman.h>

// protect(address: bigint, bytes, access) -> 0 or -1. access: 1 read, 2 write, 3 both, 0 none.
static napi_value protect(napi_env env, napi_callback_info info) {
  napi_value arguments[3], result;
  size_t count = 3;
  uint64_t address = 0;
  int64_t bytes = 0;
  int32_t access = 0;
  bool lossless = false;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_value_bigint_uint64(env, arguments[0], &address, &lossless);
  napi_get_value_int64(env, arguments[1], &bytes);
  napi_get_value_int32(env, arguments[2], &access);
  // There is no memory that can be written to and not read.
  const int protection = access == 0 ? PROT_NONE : access == 1 ? PROT_READ : PROT_READ | PROT_WRITE;
  napi_create_int32(env, mprotect((void *)(uintptr_t)address, (size_t)bytes, protection), &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "protect", NAPI_AUTO_LENGTH, protect, NULL, &function);
  napi_set_named_property(env, exports, "protect", function);
  return exports;
}
