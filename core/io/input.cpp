// SPDX-License-Identifier: BSD-3-Clause
#include "io/input.hpp"

namespace nbdstream::io {

awaitable<error_code> input::need(std::size_t count) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity - begin_ < count) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, size());
    end_ = size();
    begin_ = 0;
  }
  while (size() < count) {
    const auto n = co_await from_.read_some({buffer_.get() + end_, capacity - end_});
    if (n.has_error()) co_return n.error();
    if (*n == 0) co_return error_code(asio::error::eof);
    end_ += *n;
  }
  co_return error_code{};
}

awaitable<io_result<std::size_t>> input::take(std::span<std::byte> into) {
  if (size() == 0) co_return co_await from_.read_some(into);
  const auto piece = front(into.size());
  std::memcpy(into.data(), piece.data(), piece.size());
  consume(piece.size());
  co_return piece.size();
}

}  // namespace nbdstream::io
