// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_MESSAGE_READER_HPP
#define NBDSTREAM_CONTROL_MESSAGE_READER_HPP

#include "control/request.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace nbdstream::control {

/// Finds the requests in the bytes of one connection. Pure: no I/O. Keeps at most what one request
/// may have, and what came with it.
class message_reader {
 public:
  message_reader();
  ~message_reader();
  message_reader(message_reader&&) noexcept;

  enum class state {
    more,      ///< the rest of the request has not come
    complete,  ///< take() it
    broken     ///< what comes cannot be understood any more: refusal()
  };
  /// The next bytes. State: more.
  state feed(std::string_view bytes);
  [[nodiscard]] state current() const noexcept { return state_; }

  /// The request that is complete. Then the next one begins, with what has come of it already.
  [[nodiscard]] request take();
  /// State: broken. What to answer before the connection is closed.
  [[nodiscard]] const answer& refusal() const noexcept { return refusal_; }

  /// Whether anything of the next request has come.
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  /// Whether its sender waits for "100 Continue" before the body; once.
  [[nodiscard]] bool asks_to_continue();

 private:
  struct parser;
  void parse();
  [[nodiscard]] bool has_transfer_encoding() const;
  void fail(unsigned status, const std::string& sentence);
  void fail_with_header_too_large(bool in_first_line);

  std::unique_ptr<parser> parser_;
  std::string unparsed_;
  state state_ = state::more;
  bool begun_ = false;
  bool asked_to_continue_ = false;
  answer refusal_;
};

}  // namespace nbdstream::control
#endif
