// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SERVICE_REPORT_HPP
#define NBDSTREAM_SERVER_SERVICE_REPORT_HPP

#include "io/condition.hpp"
#include "status/snapshot.hpp"
#include "systemd/notifier.hpp"

#include <cstdint>
#include <string>

namespace nbdstream {

/// What systemd is told of the server: that it is ready, what it does, that it stops, and that it
/// needs longer for that. Decides what to send; the server says when to look.
class service_report {
 public:
  using time_point = io::clock::time_point;

  /// `manager` is borrowed.
  explicit service_report(const systemd::notifier& manager) : manager_(manager) {}

  /// How often look() is due.
  static constexpr auto interval = std::chrono::seconds(1);
  /// The manager is asked for so much more time, so often.
  static constexpr auto extension = std::chrono::seconds(30);
  static constexpr auto extension_interval = std::chrono::seconds(5);
  /// A commit that makes no progress is not waited for longer than this.
  static constexpr auto longest_commit = std::chrono::hours(1);

  /// Clients can connect.
  void ready();
  /// No client is let in any more.
  void stopping();
  /// Files are being read anew; ready_again() says that this is over.
  void reloading();
  void ready_again();
  /// Once for each `interval`: at `now` the server is as `p` says.
  void look(const status::process& p, time_point now);

 private:
  void tell_phase();
  void tell_status(const status::process& p);
  void ask_for_time(const status::process& p, time_point now);

  const systemd::notifier& manager_;
  bool ready_ = false;  ///< and whether that was told
  bool ready_was_told_ = false;
  bool reloading_ = false;
  bool stopping_ = false;
  bool stopping_was_told_ = false;
  std::string status_;  ///< the last one that was told
  std::uint64_t sent_ = 0;
  time_point moved_at_{};  ///< when bytes were sent last, or it began to stop
  time_point ask_at_{};
};

}  // namespace nbdstream
#endif
