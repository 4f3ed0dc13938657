// What libstdc++ and libgcc, compiled for glibc, ask for and musl does not have.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/random.h>

__attribute__((visibility("hidden"))) void *__dso_handle = &__dso_handle;
char __libc_single_threaded = 0;

int __pthread_key_create(pthread_key_t *key, void (*destructor)(void *)) {
  return pthread_key_create(key, destructor);
}

unsigned arc4random(void) {
  unsigned value = 0;
  getrandom(&value, sizeof value, 0);
  return value;
}

// As glibc's dlfcn.h has it; the unwinder finds the tables of a program counter by it.
struct dl_find_object {
  unsigned long long flags;
  void *start;
  void *end;
  void *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  uintptr_t pc;
  struct dl_find_object *result;
};

static int Look(struct dl_phdr_info *info, size_t size, void *data) {
  struct search *search = data;
  void *eh_frame = 0;
  int here = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    const uintptr_t at = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) eh_frame = (void *)at;
    if (header->p_type != PT_LOAD || search->pc < at || search->pc >= at + header->p_memsz) continue;
    here = 1;
    search->result->start = (void *)at;
    search->result->end = (void *)(at + header->p_memsz);
  }
  if (!here || eh_frame == 0) return 0;
  search->result->flags = 0;
  search->result->link_map = 0;
  search->result->eh_frame = eh_frame;
  return 1;
}

int _dl_find_object(void *pc, struct dl_find_object *result) {
  struct search search = {(uintptr_t)pc, result};
  return dl_iterate_phdr(Look, &search) == 1 ? 0 : -1;
}
