// SPDX-License-Identifier: BSD-3-Clause
#include "stream/frame_store.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace nbdstream::stream {
namespace {

/// Address space is reserved in this size; it gets memory where it is touched.
constexpr std::size_t region_size = 8 << 20;  // bytes

constexpr std::size_t frames_of_region = region_size / frame_store::frame_size;

}  // namespace

frame_store::~frame_store() {
  for (auto* const region : regions_) {
    ASAN_UNPOISON_MEMORY_REGION(region, region_size);
    ::munmap(region, region_size);
  }
}

void frame_store::map_region() {
  // put_back() and limit_idle() must not need memory.
  const auto frames = (regions_.size() + 1) * frames_of_region;
  regions_.reserve(regions_.size() + 1);
  idle_.reserve(frames);
  without_memory_.reserve(frames);
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void* const memory = ::mmap(nullptr, region_size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const region = static_cast<std::byte*>(memory);
  regions_.push_back(region);
  unused_ = region;
  end_ = region + region_size;
  ASAN_POISON_MEMORY_REGION(region, region_size);
}

std::byte* frame_store::take() {
  std::byte* frame = nullptr;
  if (!idle_.empty()) {
    frame = idle_.back();
    idle_.pop_back();
  } else if (!without_memory_.empty()) {
    frame = without_memory_.back();
    without_memory_.pop_back();
  } else {
    if (unused_ == end_) map_region();
    frame = unused_;
    unused_ += frame_size;
  }
  ASAN_UNPOISON_MEMORY_REGION(frame, frame_size);
  return frame;
}

void frame_store::put_back(std::byte* frame) noexcept {
  ASAN_POISON_MEMORY_REGION(frame, frame_size);
  idle_.push_back(frame);
}

void frame_store::limit_idle(std::size_t most) noexcept {
  while (idle() > most) {
    // Frames that adjoin, in either direction, go with one call.
    auto* begin = idle_.back();
    auto* end = begin;
    while (idle() > most && (idle_.back() == end || idle_.back() + frame_size == begin)) {
      begin = std::min(begin, idle_.back());
      end = std::max(end, idle_.back() + frame_size);
      without_memory_.push_back(idle_.back());
      idle_.pop_back();
    }
    ::madvise(begin, static_cast<std::size_t>(end - begin), MADV_DONTNEED);
  }
}

}  // namespace nbdstream::stream
