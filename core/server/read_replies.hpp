// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_READ_REPLIES_HPP
#define NBDSTREAM_SERVER_READ_REPLIES_HPP

#include "server/connection.hpp"

#include <memory>
#include <span>

namespace nbdstream {

/// Answers READ and BLOCK_STATUS, in the form that was agreed on.
class read_replies {
 public:
  /// `on` is borrowed.
  explicit read_replies(connection& on) noexcept : on_(on) {}

  /// A READ that finds only zeroes.
  [[nodiscard]] awaitable<ending> zeroes(protocol::request r);
  /// A READ that finds data which `stream` holds.
  [[nodiscard]] awaitable<ending> held(protocol::request r, std::shared_ptr<open_stream> stream);
  /// A BLOCK_STATUS; `stream` may be null.
  void status(const protocol::request& r, open_stream* stream);

 private:
  [[nodiscard]] awaitable<ending> send(protocol::request r, std::span<const std::byte> data,
                                       const protocol::read_layout& layout);
  [[nodiscard]] awaitable<error_code> send_data(std::span<const std::byte> data,
                                                std::uint64_t length);

  connection& on_;
};

}  // namespace nbdstream
#endif
