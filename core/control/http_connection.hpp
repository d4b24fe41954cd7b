// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_CONTROL_HTTP_CONNECTION_HPP
#define NBDSTREAM_CONTROL_HTTP_CONNECTION_HPP

#include "control/message_reader.hpp"
#include "control/service.hpp"
#include "io/async_scope.hpp"
#include "io/transport.hpp"
#include "io/watchdog.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace nbdstream::control {

/// How long a peer may take.
struct patience {
  io::clock::duration request = std::chrono::seconds(10);   ///< to send one
  io::clock::duration idle = std::chrono::seconds(60);      ///< between two
  io::clock::duration progress = std::chrono::seconds(10);  ///< to take a piece of an answer
  io::clock::duration events = std::chrono::seconds(1);     ///< between two
};

/// One connection, from its first request to its end: requests, one after another.
class http_connection {
 public:
  /// `all` is borrowed until run() has returned; `host` as in service::decide().
  http_connection(const asio::any_io_executor& executor, patience p, place where, std::string host,
                  std::unique_ptr<io::transport> transport, service& all);

  [[nodiscard]] awaitable<void> run();
  /// Hangs up now.
  void close() noexcept;
  /// The process ends: closes it where nothing has been asked.
  void close_if_idle() noexcept;

  enum class state {
    reading,    ///< there is no whole request
    answering,  ///< or waiting for the end of a stream
    streaming   ///< events
  };
  [[nodiscard]] state current() const noexcept { return state_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  [[nodiscard]] awaitable<void> serve();
  [[nodiscard]] awaitable<bool> read_request();
  [[nodiscard]] awaitable<bool> respond();
  [[nodiscard]] awaitable<bool> wait_and_send(const action& a, bool keep_alive);
  [[nodiscard]] awaitable<void> stream_events(bool header_only);
  [[nodiscard]] awaitable<bool> send(const answer& a, bool keep_alive, bool without_body);
  [[nodiscard]] awaitable<bool> write(std::string_view text);
  [[nodiscard]] awaitable<void> let_read_refusal();

  // Beside them.
  [[nodiscard]] awaitable<void> watch_deadline();
  [[nodiscard]] awaitable<void> watch_peer();

  patience patience_;
  place where_;
  std::string host_;
  std::unique_ptr<io::transport> transport_;
  service& all_;
  message_reader reader_;
  io::watchdog deadline_;
  state state_ = state::reading;
  bool watches_peer_ = false;
  bool closed_ = false;
  io::async_scope scope_;
};

}  // namespace nbdstream::control
#endif
