// SPDX-License-Identifier: BSD-3-Clause
#include "stream/window.hpp"

#include <new>

namespace nbdstream::stream {

std::span<std::byte> block::piece(std::uint64_t begin, std::uint64_t end) noexcept {
  constexpr auto size = frame_store::frame_size;
  auto frame = (begin - offset_) / size;
  auto* const first = parts()[frame] + (begin - offset_) % size;
  auto until = offset_ + (frame + 1) * size;
  for (; until < end && parts()[frame + 1] == parts()[frame] + size; ++frame) until += size;
  return {first, std::min(end, until) - begin};
}

block_ptr window::allocate(std::uint64_t offset, std::uint64_t length) {
  const auto frames = block::frames_of(length);
  const auto rest = length % frame_store::frame_size;
  const auto head = sizeof(block) + (frames + 1) * sizeof(std::byte*);
  auto* const memory = static_cast<std::byte*>(::operator new(head + rest));
  auto* const b = new (memory) block(*this, offset, length);
  std::size_t taken = 0;
  try {
    for (; taken < frames; ++taken) b->parts()[taken] = frames_.take();
  } catch (...) {
    while (taken > 0) frames_.put_back(b->parts()[--taken]);
    ::operator delete(memory);
    throw;
  }
  b->parts()[frames] = memory + head;
  used_ += length + overhead;
  peak_ = std::max(peak_, used_);
  // What is kept for later counts too.
  frames_.limit_idle(limit_ - used_);
  return {b};
}

void window::release(block* b) noexcept {
  used_ -= b->size_ + overhead;
  // From behind, so that they are taken in this order again.
  for (auto i = block::frames_of(b->size_); i > 0; --i) frames_.put_back(b->parts()[i - 1]);
  b->~block();
  ::operator delete(b);
  if (!keeps_frames_) frames_.limit_idle(0);
}

void window::keep_none() noexcept {
  keeps_frames_ = false;
  frames_.limit_idle(0);
}

}  // namespace nbdstream::stream
