// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_READ_REPLIES_HPP
#define NBDSTREAM_SERVER_READ_REPLIES_HPP

#include "server/connection.hpp"
#include "server/open_stream.hpp"

#include <memory>

namespace nbdstream {

class nbd_export;

/// Answers READ and BLOCK_STATUS, in the form that was agreed on.
class read_replies {
 public:
  /// Both are borrowed.
  read_replies(connection& on, nbd_export& of) noexcept : on_(on), export_(of) {}

  /// A READ that finds only zeroes.
  [[nodiscard]] awaitable<ending> zeroes(protocol::request r);
  /// A READ that finds data which `stream` holds.
  [[nodiscard]] awaitable<ending> held(protocol::request r, std::shared_ptr<open_stream> stream);
  /// A BLOCK_STATUS; `stream` may be null.
  void status(const protocol::request& r, open_stream* stream);

 private:
  connection& on_;
  nbd_export& export_;
};

}  // namespace nbdstream
#endif
