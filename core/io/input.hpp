// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_IO_INPUT_HPP
#define NBDSTREAM_IO_INPUT_HPP

#include "io/transport.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace nbdstream::io {

/// What was read from a connection and not yet used: many small requests arrive with one system
/// call. Memory is touched only as far as data come.
class input {
 public:
  static constexpr std::size_t capacity = 256 << 10;  // bytes

  explicit input(transport& from)
      : from_(from), buffer_(std::make_shared_for_overwrite<std::byte[]>(capacity)) {}

  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }

  /// Up to `most` bytes from the front; valid until the next need().
  [[nodiscard]] std::span<const std::byte> front(std::size_t most) const noexcept {
    return {buffer_.get() + begin_, std::min(most, size())};
  }
  /// What keeps the memory of front() alive, for a call that may outlive the connection.
  [[nodiscard]] std::shared_ptr<const void> owner() const noexcept { return buffer_; }
  void consume(std::size_t count) noexcept { begin_ += count; }

  /// Reads until at least `count` (at most `capacity`) bytes are there, and no more than `most`.
  /// Otherwise an error; asio::error::eof at the end of the stream, size() telling what is left of
  /// it.
  [[nodiscard]] awaitable<error_code> need(std::size_t count, std::size_t most = capacity);

 private:
  transport& from_;
  std::shared_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace nbdstream::io
#endif
