// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_SERVICE_HPP
#define NBDSTREAM_CONTROL_SERVICE_HPP

#include "control/controlled.hpp"
#include "control/route.hpp"
#include "io/async_scope.hpp"
#include "log/log.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nbdstream::control {

/// What all connections share: it does what requests ask for.
///
/// What waits for the end of a stream runs here, not in the connection that asked: a commit goes on
/// when its client has gone. Whoever asks for the same meanwhile waits for the same answer, so that
/// at most three of these run for each export, however many ask.
class service {
 public:
  /// An answer that may have to be waited for: see changed().
  struct pending {
    std::optional<answer> done;
  };

  /// `process` and `log` are borrowed. `exports` are the names of its exports.
  service(const asio::any_io_executor& executor, controlled& process,
          std::vector<std::string> exports, log::logger& log);

  /// See route(); `host` is what --metrics was given.
  [[nodiscard]] std::variant<action, answer> decide(const request& r, place where,
                                                    std::string_view host) const;
  /// State: an action that neither waits nor has no end.
  [[nodiscard]] answer answer_now(const action& a);
  /// State: a.waits().
  [[nodiscard]] std::shared_ptr<const pending> begin(const action& a);
  /// All that there is to see, as an event for /v1/events. Those who ask at about the same time get
  /// the same.
  [[nodiscard]] std::shared_ptr<const std::string> event();

  /// Notified when a pending answer is there, or ending() has become true.
  [[nodiscard]] io::condition& changed() noexcept { return changed_; }
  /// The process ends: each connection is to be closed after the answer that it waits for.
  [[nodiscard]] bool ending() const noexcept { return ending_; }
  void begin_to_end();
  /// What is still pending gets an answer that says that nothing more is known.
  void abort_waiters();
  /// Until nothing is pending any more. State: each export has ended.
  [[nodiscard]] awaitable<void> join() { return scope_.join(); }

 private:
  using key = std::pair<action::kind, nbd_export*>;
  [[nodiscard]] awaitable<void> run(key what, std::string reason);
  [[nodiscard]] awaitable<answer> carry_out(key what, const std::string& reason);
  void conclude(key what, answer a);

  controlled& process_;
  std::vector<std::string> exports_;
  log::logger& log_;
  io::condition changed_;
  std::map<key, std::shared_ptr<pending>> pending_;
  std::shared_ptr<const std::string> event_;
  io::clock::time_point event_made_{};
  bool ending_ = false;
  io::async_scope scope_;
};

}  // namespace nbdstream::control
#endif
