// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_REPLY_QUEUE_HPP
#define NBDSTREAM_SERVER_REPLY_QUEUE_HPP

#include "io/output.hpp"
#include "protocol/error.hpp"
#include "protocol/reply.hpp"

namespace nbdstream {

/// The replies to one client that carry no data, in the form that was agreed on. They go out as
/// io::output sends them.
class reply_queue {
 public:
  /// `to` is borrowed.
  explicit reply_queue(io::output& to) noexcept : to_(to) {}

  void agree_on(protocol::form form) noexcept { form_ = form; }
  [[nodiscard]] protocol::form form() const noexcept { return form_; }

  /// Answers anything but a successful READ or BLOCK_STATUS. `why` is for the client; empty: what
  /// the error says by itself.
  void add(const protocol::cookie& of, protocol::wire_error error, std::string_view why = {}) {
    protocol::reply_writer replies(to_.queue(), form_);
    if (error == protocol::wire_error::none) {
      replies.success(of);
    } else {
      replies.failure(of, error, why.empty() ? protocol::text_of(error) : why);
    }
    to_.queued();
  }
  /// Answers a BLOCK_STATUS.
  void add_status(const protocol::cookie& of, std::span<const protocol::status_extent> extents) {
    protocol::reply_writer(to_.queue(), form_).status(of, extents);
    to_.queued();
  }

 private:
  io::output& to_;
  protocol::form form_ = protocol::form::simple;
};

}  // namespace nbdstream
#endif
