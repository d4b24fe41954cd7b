// SPDX-License-Identifier: BSD-3-Clause
#include "allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

// The sanitizer has a malloc of its own, and tells of each call; else glibc's is wrapped.
#if defined(__SANITIZE_ADDRESS__)
#define NBDSTREAM_MALLOC_IS_THE_SANITIZERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NBDSTREAM_MALLOC_IS_THE_SANITIZERS 1
#endif
#endif

#ifdef NBDSTREAM_MALLOC_IS_THE_SANITIZERS
// GCC has the function, but not the header that declares it.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));
#endif

namespace nbdstream::test {
namespace {

thread_local bool counting = false;
std::atomic<std::uint64_t> counted = 0;

void note() noexcept {
  if (counting) counted.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void count_allocations_of_this_thread() {
#ifdef NBDSTREAM_MALLOC_IS_THE_SANITIZERS
  static const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t) { note(); }, [](const volatile void*) {});
  counting = installed > 0;
#else
  counting = true;
#endif
}

std::uint64_t allocations() noexcept {
  return counted.load(std::memory_order_relaxed);
}

}  // namespace nbdstream::test

#ifndef NBDSTREAM_MALLOC_IS_THE_SANITIZERS
using nbdstream::test::note;

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  note();
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  note();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}
int posix_memalign(void** into, std::size_t alignment, std::size_t size) noexcept {
  *into = memalign(alignment, size);
  return *into ? 0 : ENOMEM;
}
}
#endif
