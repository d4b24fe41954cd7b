// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_CONNECTION_HPP
#define NBDSTREAM_SERVER_CONNECTION_HPP

#include "io/input.hpp"
#include "io/output.hpp"
#include "io/transport.hpp"
#include "io/watchdog.hpp"
#include "log/context.hpp"
#include "protocol/request.hpp"
#include "protocol/terms.hpp"
#include "server/client.hpp"
#include "server/served.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nbdstream {

/// What the parts of a session share.
struct connection {
  connection(const asio::any_io_executor& executor, std::uint64_t id,
             std::unique_ptr<io::transport> over, io::clock::duration patience, log::logger& to)
      : transport(std::move(over)),
        input(*transport),
        output(executor, *transport),
        replies(output),
        deadline(executor),
        payload_timeout(patience),
        me{id, fmt::format("connection {}", id), replies},
        log(to, {.label = me.name, .exported = {}, .stream = {}, .connection = id}) {}

  std::unique_ptr<io::transport> transport;
  io::input input;
  io::output output;
  reply_queue replies;
  io::watchdog deadline;
  io::clock::duration payload_timeout;  ///< how long a payload, or a reply, may make no progress
  client me;
  log::context log;  ///< what is said of this connection

  /// One line a connection: a peer must not be able to flood the log.
  void log_refusal(const protocol::request& r, std::string_view why) {
    const auto level = std::exchange(refused_before_, true) ? log::level::debug : log::level::info;
    const log::field where[] = {{"offset", r.offset}};
    log.line(level,
             fmt::format("{} of {} bytes at {} refused: {}", protocol::name_of(r.type), r.length,
                         r.offset, why),
             where);
  }

  /// What must make some progress within the deadline, and need not arrive or leave as a whole.
  enum class moving {
    payload,  ///< one that is not looked at
    reply     ///< a long one: what the client sends meanwhile says nothing of what it takes
  };
  void expect_progress(moving what = moving::payload) noexcept {
    moving_ = what;
    progress_ = progress();
    deadline.expect_within(payload_timeout);
  }
  void rest() noexcept {
    progress_.reset();
    deadline.rest();
  }
  /// The deadline has passed: whether there was progress. Then it is set anew.
  [[nodiscard]] bool makes_progress() noexcept {
    if (!progress_ || progress_ == progress()) return false;
    expect_progress(moving_);
    return true;
  }

  const served* exported = nullptr;  ///< once it has been chosen;
  protocol::terms agreed;            ///< then

  /// How many requests were served since others had their turn.
  int without_pause = 0;

 private:
  [[nodiscard]] std::uint64_t progress() const noexcept {
    return moving_ == moving::reply ? output.pieces_sent() : transport->unread();
  }
  moving moving_ = moving::payload;
  std::optional<std::uint64_t> progress_;
  bool refused_before_ = false;
};

}  // namespace nbdstream
#endif
