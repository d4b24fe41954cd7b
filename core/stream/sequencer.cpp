// SPDX-License-Identifier: BSD-3-Clause
#include "stream/sequencer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace nbdstream::stream {

result<placement> sequencer::write(std::uint64_t offset, std::uint64_t length) {
  return place(offset, length, true);
}

result<placement> sequencer::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  return place(offset, length, false);
}

result<placement> sequencer::trim(std::uint64_t offset, std::uint64_t length) {
  const auto begin = std::max(offset, cursor_);
  if (offset + length <= begin) return placement{};
  return place(begin, offset + length - begin, false);
}

result<placement> sequencer::place(std::uint64_t offset, std::uint64_t length, bool payload) {
  if (offset < cursor_) {
    return refusal{EINVAL, fmt::format("{} bytes at {} lie {} bytes behind the cursor at {}: "
                                       "--order strict takes every byte once, in rising order "
                                       "(qemu-img convert needs -n and -O raw, and no -W; nbdcopy "
                                       "needs --connections=1 --requests=1)",
                                       length, offset, cursor_ - offset, cursor_)};
  }
  if (!limits_.size && offset + length > limits_.max_stream) {
    return refusal{ENOSPC, fmt::format("{} bytes at {} reach beyond --max-stream {}", length,
                                       offset, limits_.max_stream)};
  }
  // check_request() lets a request reach up to the next multiple of 512 above the size.
  const auto size = limits_.size.value_or(limits_.max_stream);
  const auto begin = std::min(offset, size);
  const auto end = std::min(offset + length, size);
  placement p;
  p.zeroes = begin - cursor_;
  (payload ? p.payload : p.zeroes) += end - begin;
  if (payload) p.excess = length - p.payload;
  unnamed_.add_hole(cursor_, begin);
  cursor_ = end;
  return p;
}

std::uint64_t sequencer::finish(bool pad) noexcept {
  if (!limits_.size) return 0;
  const auto tail = *limits_.size - cursor_;
  unnamed_.add_hole(cursor_, *limits_.size);
  if (!pad) return 0;
  cursor_ = *limits_.size;
  return tail;
}

}  // namespace nbdstream::stream
