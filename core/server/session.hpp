// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_SESSION_HPP
#define NBDSTREAM_SERVER_SESSION_HPP

#include "io/async_scope.hpp"
#include "io/input.hpp"
#include "io/output.hpp"
#include "io/transport.hpp"
#include "io/watchdog.hpp"
#include "protocol/negotiator.hpp"
#include "protocol/request.hpp"
#include "server/export.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nbdstream {

/// What a session needs of the server around it.
class session_host {
 public:
  virtual ~session_host() = default;
  /// The exports as clients see them, and the one at an index of that list.
  [[nodiscard]] virtual std::span<const protocol::export_info> export_infos() const = 0;
  [[nodiscard]] virtual nbd_export& export_at(std::size_t index) = 0;
  /// Why no client may begin to transmit now, if so.
  [[nodiscard]] virtual std::optional<protocol::negotiator::refusal> gate() const = 0;
};

/// One connection, from the greeting to its end. Reads as the protocol document does.
class session final : public client {
 public:
  struct settings {
    std::uint64_t id = 1;
    io::clock::duration handshake_timeout = std::chrono::seconds(10);
    io::clock::duration payload_timeout = std::chrono::seconds(60);
    protocol::tls_policy tls = protocol::tls_policy::off;
  };

  /// `host` and `log` are borrowed until run() has returned.
  session(const asio::any_io_executor& executor, settings s,
          std::unique_ptr<io::transport> connection, session_host& host, log::logger& log);

  /// The whole life of the connection; its stream, if it joined one, knows how it ended.
  [[nodiscard]] awaitable<void> run();

  /// Hangs up on the client now.
  void close() noexcept {
    closed_ = true;
    connection_->close();
  }

  [[nodiscard]] bool negotiating() const noexcept { return !export_ && !closed_; }
  [[nodiscard]] bool transmitting() const noexcept { return export_ && !closed_; }

  /// It has said goodbye, and waits for its client to close as well.
  [[nodiscard]] bool leaving() const noexcept { return leaving_; }

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  void before_wait() override;
  void answer(const protocol::ticket& of, protocol::wire_error error) override;
  void stream_failed() noexcept override;

 private:
  using request = protocol::request;
  using wire_error = protocol::wire_error;

  /// Payloads of this size are spliced; for less a copy costs less than the calls.
  static constexpr std::uint64_t least_splice = 32 << 10;  // bytes

  /// One of several writes that are served as one.
  struct batched {
    protocol::ticket of;
    protocol::bytes payload;  ///< in input_
  };

  // Each returns how the connection ended, or nothing as long as it goes on.
  using ending = std::optional<departure>;

  [[nodiscard]] awaitable<bool> negotiate();
  [[nodiscard]] awaitable<bool> start_tls();
  [[nodiscard]] awaitable<departure> transmit();
  [[nodiscard]] awaitable<ending> next_request(request& into);
  [[nodiscard]] awaitable<ending> serve(request r);
  void log_refusal(const request& r, std::string_view why);
  [[nodiscard]] awaitable<ending> refuse(request r, protocol::verdict v);
  [[nodiscard]] awaitable<ending> read(request r);
  [[nodiscard]] awaitable<ending> read_held(request r, std::shared_ptr<transfer> stream);
  [[nodiscard]] awaitable<ending> status(request r);
  [[nodiscard]] awaitable<ending> write(request r);
  [[nodiscard]] awaitable<ending> write_batch(request whole);
  [[nodiscard]] awaitable<ending> zero(request r);
  [[nodiscard]] awaitable<ending> flush(request r);

  // Payload; false where it ends too early.
  [[nodiscard]] awaitable<bool> deliver(transfer& to, const request& r, transfer::admitted& a,
                                        wire_error& error);
  [[nodiscard]] awaitable<bool> splice(transfer& to, const request& r, std::uint64_t& left,
                                       wire_error& error);
  [[nodiscard]] awaitable<bool> receive(stream::block_ptr into);
  [[nodiscard]] awaitable<bool> need_payload(std::size_t count,
                                             std::size_t most = io::input::capacity);
  [[nodiscard]] request gather(const request& first);
  void use_payload(std::size_t count);
  [[nodiscard]] awaitable<bool> skip_payload(std::uint64_t count);
  [[nodiscard]] awaitable<bool> drop_excess(std::uint64_t count, bool& all_zero);

  // Replies, in the form that was agreed on.
  void reply(const protocol::ticket& of, wire_error error, std::string_view why = {});
  [[nodiscard]] awaitable<ending> reply_with_data(request r, std::span<const std::byte> data,
                                                  const protocol::read_layout& layout);
  [[nodiscard]] awaitable<error_code> send_data(std::span<const std::byte> data,
                                                std::uint64_t length);
  void push_replies();
  [[nodiscard]] awaitable<bool> send_replies();
  [[nodiscard]] awaitable<bool> answer_all();
  [[nodiscard]] awaitable<void> send_late_answers();

  [[nodiscard]] awaitable<void> leave();
  [[nodiscard]] awaitable<void> watch_for_hang_up();
  void notice_absence();
  void time_out();

  settings settings_;
  std::string name_;
  std::unique_ptr<io::transport> connection_;
  session_host& host_;
  log::logger& log_;
  io::input input_;
  io::output output_;
  nbd_export* export_ = nullptr;  ///< once it has been chosen
  protocol::terms agreed_;        ///< then
  bool closed_ = false;
  bool leaving_ = false;
  bool refused_before_ = false;
  bool in_request_ = false;
  bool silent_ = false;                ///< the client will send no more
  bool answering_late_ = false;        ///< send_late_answers() runs
  bool splicing_ = false;              ///< the last payload was, so the next may be
  int without_pause_ = 0;              ///< how much it has done since others had their turn
  stream::block_ptr arriving_;         ///< what a payload is received into
  std::uint64_t payload_due_ = 0;      ///< bytes of the current request's payload not yet used
  bool moving_unseen_ = false;         ///< payload_due_ may count what has left the connection
  std::optional<std::size_t> unread_;  ///< while it waits for more than that to splice
  std::vector<batched> batch_;         ///< of gather()
  std::vector<iovec> parts_;           ///< their payloads
  io::watchdog watchdog_;
  io::async_scope scope_;
};

}  // namespace nbdstream
#endif
