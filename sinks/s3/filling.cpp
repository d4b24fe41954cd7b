// SPDX-License-Identifier: BSD-3-Clause
#include "filling.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::s3 {

std::size_t filling::write(std::span<const std::byte> data, buffer_pool& pool, std::size_t most) {
  if (!buffer_) {
    buffer_ = pool.lend(size_, most);
    if (!buffer_) return 0;
    buffer_->zero(0, used_);
  }
  const std::size_t n = std::min(data.size(), size_ - used_);
  buffer_->write(used_, data.first(n));
  used_ += n;
  return n;
}

std::size_t filling::zero(std::uint64_t count) noexcept {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - used_));
  if (buffer_) buffer_->zero(used_, n);
  used_ += n;
  return n;
}

payload filling::take() {
  payload out;
  out.size = used_;
  // Who holds the bytes holds the buffer.
  if (buffer_) out.bytes = {buffer_, buffer_->data()};
  *this = {};
  return out;
}

}  // namespace nbdstream::s3
