// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_LIFECYCLE_HPP
#define NBDSTREAM_SERVER_LIFECYCLE_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace nbdstream {

/// How a connection ended.
enum class departure {
  goodbye,  ///< NBD_CMD_DISC, with every request before it answered
  dropped,  ///< closed between requests, every request answered
  torn,     ///< ended inside a request, or with one unanswered
};

/// Decides whether a stream is complete, from how those who wrote it went away. Pure.
///
/// Without a command to vouch for its clients, a stream is a candidate for commit when the last
/// connection that wrote has said goodbye. With --run it is one when the command exited with 0 and
/// every connection was read to its end. A connection that never wrote is never mentioned here.
class lifecycle {
 public:
  enum class state { open, candidate, failed };

  /// `vouched`: the exit status of --run decides, not the clients' goodbyes.
  explicit lifecycle(bool vouched) noexcept : vouched_(vouched) {}

  /// A connection's first write. It may join a candidate that is still waiting.
  void joined() noexcept;
  /// A connection that joined has ended; `who` for the reason.
  void left(departure how, std::string_view who);
  /// The command exited with 0 and all connections have ended.
  void vouch() noexcept;
  /// Final; the first reason stays.
  void fail(std::string_view reason);

  [[nodiscard]] state current() const noexcept { return state_; }
  /// Why it failed.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  bool vouched_;
  state state_ = state::open;
  std::size_t writers_ = 0;
  std::string reason_;
};

}  // namespace nbdstream
#endif
