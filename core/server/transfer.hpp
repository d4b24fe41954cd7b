// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_TRANSFER_HPP
#define NBDSTREAM_SERVER_TRANSFER_HPP

#include "io/condition.hpp"
#include "log/log.hpp"
#include "protocol/request.hpp"
#include "server/client.hpp"
#include "server/lifecycle.hpp"
#include "sink/sink.hpp"
#include "stream/sequencer.hpp"

#include <functional>

namespace nbdstream {

/// One stream, from its first write to its end: the requests of all connections that write it, in
/// the order that the sequencer gives them, into the sink; then exactly one of commit and abort.
///
/// Shared by the connections that joined it, which may outlive it: once it has failed or ended,
/// whatever they still ask is answered with an error and touches the sink no more.
class transfer {
 public:
  struct settings {
    std::uint64_t id = 1;
    std::string label;  ///< begins its log lines
    std::string export_name;
    stream::sequencer::limits limits;
    bool vouched = false;  ///< see lifecycle
    bool pad = true;
    bool refuse_gaps = false;
  };

  /// `sink` and `log` are borrowed until finish() has returned. `changed` is called when
  /// outcome-relevant state has changed: it became a candidate, was joined again, or failed.
  transfer(const asio::any_io_executor& executor, settings s, sink::sink& sink, log::logger& log,
           std::function<void()> changed);

  // What connections do.

  void join(client& who);
  void leave(client& who, departure how);

  /// What begin() found: where the payload goes, or the error that the client gets.
  struct started {
    protocol::wire_error error = protocol::wire_error::none;
    stream::placement where;
  };

  /// The right to feed the stream. Take it, begin(), send() the payload, release it.
  [[nodiscard]] awaitable<io::turnstile::turn> take_turn(client& who);

  /// Gives a request that writes (of 1 byte or more) its place, and brings the sink there: opens
  /// it, sends zeroes. On success exactly `where.payload` bytes of payload are due, then
  /// `where.excess` that are zero. State: the caller has the turn.
  [[nodiscard]] awaitable<started> begin(client& who, protocol::request r);

  /// Sends some of the payload that begin() asked for. State: the caller has the turn.
  [[nodiscard]] awaitable<protocol::wire_error> send(client& who, const protocol::request& r,
                                                     protocol::bytes payload);

  /// FLUSH and FUA: reports that the stream has failed, and flushes what was sent.
  [[nodiscard]] awaitable<protocol::wire_error> flush(client& who);

  /// The answer to a READ at `offset`: zeroes (none), or what was sent and is gone (an error).
  [[nodiscard]] protocol::wire_error read(std::uint64_t offset) const noexcept;

  /// A write of `who` cannot be done: the stream fails. Returns the error for the client.
  protocol::wire_error refuse(const client& who, const protocol::request& r, int error_number,
                              std::string_view why);

  /// The stream fails, and what is under way in the sink is cancelled. Without effect once it is
  /// committing or has ended.
  void fail(std::string_view reason);

  // What the export does.

  [[nodiscard]] lifecycle::state state() const noexcept { return life_.current(); }
  [[nodiscard]] bool only_zeroes() const noexcept { return payload_bytes_ == 0; }
  [[nodiscard]] bool committing() const noexcept { return phase_ == phase::committing; }
  [[nodiscard]] std::uint64_t position() const noexcept { return sequencer_.cursor(); }
  void vouch();

  /// Commits a candidate, or aborts. Returns whether it was committed. State: candidate or failed;
  /// once. Afterwards the sink is free for the next stream.
  [[nodiscard]] awaitable<bool> finish();

  /// Ends even a commit that is under way.
  void cancel_commit();

 private:
  enum class phase { running, committing, ended };

  [[nodiscard]] stream::result<stream::placement> place(const protocol::request& r);
  [[nodiscard]] awaitable<sink::failure> open_sink();
  [[nodiscard]] awaitable<sink::failure> complete();
  [[nodiscard]] protocol::wire_error failed_in_sink(const client& who, const protocol::request& r,
                                                    const sink::failure& failed);

  settings settings_;
  sink::sink& sink_;
  log::logger& log_;
  std::function<void()> changed_;
  stream::sequencer sequencer_;
  lifecycle life_;
  io::turnstile turns_;
  phase phase_ = phase::running;
  bool opened_ = false;
  std::uint64_t payload_bytes_ = 0;
  io::clock::time_point began_ = io::clock::now();
};

}  // namespace nbdstream
#endif
