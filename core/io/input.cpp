// SPDX-License-Identifier: BSD-3-Clause
#include "io/input.hpp"

namespace nbdstream::io {

awaitable<error_code> input::need(std::size_t count, std::size_t most) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity - begin_ < count) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, size());
    end_ = size();
    begin_ = 0;
  }
  while (size() < count) {
    const std::span room(buffer_.get() + end_, std::min(capacity - end_, most - size()));
    const auto n = co_await from_.read_some(room);
    if (n.has_error()) co_return n.error();
    if (*n == 0) co_return error_code(asio::error::eof);
    end_ += *n;
  }
  co_return error_code{};
}

}  // namespace nbdstream::io
