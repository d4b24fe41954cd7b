// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_OPEN_STREAM_HPP
#define NBDSTREAM_SERVER_OPEN_STREAM_HPP

#include "encoding/encoder.hpp"
#include "io/async_scope.hpp"
#include "io/condition.hpp"
#include "log/context.hpp"
#include "protocol/request.hpp"
#include "receipt/writer.hpp"
#include "server/client.hpp"
#include "server/held_data.hpp"
#include "server/late_replies.hpp"
#include "server/spill_queue.hpp"
#include "server/spill_store.hpp"
#include "sink/sink.hpp"
#include "status/snapshot.hpp"
#include "stream/sequencer.hpp"
#include "stream/stall.hpp"
#include "stream/verdict.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace nbdstream::receipt {
struct content;
}

namespace nbdstream {

/// One stream, from its first write to its end: the requests of all connections that write it, in
/// the order that the sequencer gives them, through the encoder into the sink; then exactly one of
/// commit and abort, as the verdict says.
///
/// Shared by the connections that joined it, which may outlive it: once it has failed or ended,
/// whatever they still ask is answered with an error and touches the sink no more.
///
/// What is at the cursor goes from its connection to the sink, by the connection that has the turn.
/// What is ahead is held, and sent by send_ready() when the cursor reaches it.
class open_stream {
 public:
  struct settings {
    std::uint64_t id = 1;
    std::string unique_id;  ///< see make_unique_id()
    std::string export_name;
    stream::sequencer::limits limits;
    io::clock::duration stall = std::chrono::seconds(2);  ///< how long a full window waits
    stream::completeness complete_when;
    encoding::format format;
    bool pad = true;
    spill_store::settings spill;
    std::optional<int> zstd_level;  ///< with which the stream is compressed, for the receipt;
    std::string module;             ///< the sink's, likewise;
    std::string receipt;  ///< its path; empty: none. The sink must tell a fingerprint then.
    io::clock::duration receipt_timeout = std::chrono::seconds(60);  ///< of a call of its disk
  };

  /// `sink`, and where `log` goes, are borrowed until finish() has returned, `changed` for good: it
  /// is notified when what the owner must act on may have changed, the verdict or next_action_at().
  open_stream(const asio::any_io_executor& executor, settings s, sink::sink& sink, log::context log,
              io::condition& changed);

  // What connections do.

  void join(client& who);
  void leave(client& who, stream::disconnect how);

  /// What became of a request that writes.
  struct admitted {
    protocol::wire_error error = protocol::wire_error::none;
    stream::placement where;
    /// place::next: the right to feed the stream; then `where.zeroes` were sent already.
    io::fair_mutex::turn turn;
    /// place::memory and spill: keeps the place until payload_arrived().
    stream::sequencer::pending arriving;
    std::uint64_t spilled_at = 0;  ///< place::spill: what spill() has returned last
  };

  /// Gives a request that writes (1 byte or more) its place; opens the sink if it is the first.
  /// Waits as long as there is no room for it. A payload of `where.payload` bytes, then of
  /// `where.excess` that must be zero, is due where there is no error: to send(), into
  /// `who.arriving` or to spill(), as `where.where` says.
  [[nodiscard]] awaitable<admitted> admit(client& who, protocol::request r);

  /// Whether a write of these bytes would be sent at once, without waiting, behind `batch`, of
  /// which that is so: then write_batch() takes all of them.
  [[nodiscard]] bool takes_at_once(std::span<const encoding::piece> batch, std::uint64_t offset,
                                   std::uint64_t length) const;
  /// Several writes whose payload is all there. State: takes_at_once(); nothing has happened since.
  [[nodiscard]] awaitable<protocol::wire_error> write_batch(client& who,
                                                            std::span<const encoding::piece> batch);

  /// place::next: sends some of the payload. State: the caller has the turn.
  [[nodiscard]] awaitable<protocol::wire_error> send(client& who, const protocol::request& r,
                                                     protocol::bytes payload);
  [[nodiscard]] bool splices() const noexcept { return sink_.splices(); }
  [[nodiscard]] bool splices_unseen() const noexcept { return sink_.splices_unseen(); }
  [[nodiscard]] std::uint64_t moving() const noexcept { return sink_.moving(); }
  /// place::next: moves some of the payload, up to `count` bytes, from the client's socket; `error`
  /// is what the client is told. State: the caller has the turn, and splices().
  [[nodiscard]] awaitable<io::splice_result> splice(client& who, const protocol::request& r,
                                                    int socket, std::uint64_t count,
                                                    protocol::wire_error& error);
  /// place::spill: memory for some of the payload; waits until there is some. Empty: the stream has
  /// failed, and spill_error() is what the client is told.
  [[nodiscard]] awaitable<std::span<std::byte>> spill_room() { return unspilled_.room(); }
  [[nodiscard]] protocol::wire_error spill_error() const noexcept { return spill_error_; }
  /// The first `count` bytes of spill_room() were received there, and are for `offset` in the
  /// stream. State: nothing has been awaited since spill_room() has returned. Returns how far the
  /// queue must have been written for these to be in the file.
  std::uint64_t spill(std::uint64_t offset, std::size_t count);
  /// Until all that was given to spill() before is in the file, or the stream has failed.
  [[nodiscard]] awaitable<void> spilled();
  /// All of the payload went where it was due. Returns the answer; where there is none, a late
  /// reply will be sent.
  [[nodiscard]] std::optional<protocol::wire_error> payload_arrived(client& who,
                                                                    const protocol::request& r,
                                                                    admitted a);

  /// Sends now the late replies of `who`, which asks nothing more.
  void answer_all(const client& who) { late_.answer_all(who); }

  /// FLUSH and FUA: reports that the stream has failed, and flushes what was sent.
  [[nodiscard]] awaitable<protocol::wire_error> flush(client& who);

  /// What can be read of it.
  [[nodiscard]] held_data& held() noexcept { return held_; }

  /// A write of `who` cannot be done: the stream fails. Returns the error for the client.
  protocol::wire_error refuse(const client& who, const protocol::request& r, int error_number,
                              std::string_view why);

  /// The stream fails, and what is under way in the sink is cancelled. Without effect once it has
  /// ended.
  void fail(std::string_view reason, stream::verdict::cause why = stream::verdict::cause::other);

  /// The sink may have found out that it cannot go on: then the stream fails.
  void heed_sink();

  // What the export does.

  [[nodiscard]] stream::verdict::state state() const noexcept { return verdict_.current(); }
  [[nodiscard]] bool accepts_writers() const noexcept { return verdict_.accepts_writers(); }
  [[nodiscard]] bool ended() const noexcept {
    return state() == stream::verdict::state::committed ||
           state() == stream::verdict::state::aborted;
  }
  [[nodiscard]] bool client_vanished() const noexcept {
    return verdict_.why() == stream::verdict::cause::vanished_client;
  }
  /// As it is now.
  [[nodiscard]] status::open_stream snapshot() const;
  [[nodiscard]] status::state status() const;
  /// Whether nobody writes any more, and whoever runs the job has said nothing of how it ended.
  [[nodiscard]] bool waits_to_be_told() const noexcept;
  /// State: ended().
  [[nodiscard]] status::outcome outcome() const;

  /// Why it has no receipt, though it was committed and one was asked for.
  [[nodiscard]] const std::string& receipt_problem() const noexcept { return receipt_problem_; }

  /// Bytes of the stream that were sent.
  [[nodiscard]] std::uint64_t length() const noexcept { return encoder_->length(); }

  // Events for the verdict.
  void bystanders(std::size_t count);
  void run_exited(int status, std::string_view how);
  void no_more_clients();
  void stop(std::string_view reason);
  /// Whether any request of those that joined is not answered yet.
  [[nodiscard]] bool has_open_requests() const noexcept;
  /// How many connections have joined and not left.
  [[nodiscard]] std::size_t writers() const noexcept { return writers_.size(); }
  /// The job that writes the stream has succeeded. Returns why that does not make it complete, and
  /// then nothing has happened; empty: it will be committed.
  [[nodiscard]] std::string told_to_commit();
  /// Whether told_to_commit() is about to be called, when those that write have left.
  void expect_commit(bool expected) noexcept { commit_is_expected_ = expected; }
  /// The job has failed. Without effect where the sink alone can still make the stream fail.
  void told_to_abort(std::string_view reason);
  /// Ends even a stream that is complete.
  void cancel_commit(std::string_view reason);

  /// When next_action() has something to do: in the past for now.
  [[nodiscard]] io::clock::time_point next_action_at() const;
  /// Sends what is held and at the cursor; skips a gap for which a full window has waited --stall;
  /// lets the verdict know the time. Returns when there is nothing more to do now.
  [[nodiscard]] awaitable<void> act();

  /// Commits, or aborts. State: complete or failed; once, but again where it has thrown. Afterwards
  /// the sink is free for the next stream.
  [[nodiscard]] awaitable<void> finish();

  /// When what is under way in the sink was asked to end; max: it was not.
  [[nodiscard]] io::clock::time_point cancelled_at() const noexcept { return cancelled_at_; }

 private:
  [[nodiscard]] bool is_finished() const noexcept { return verdict_.has_failed_or_ended(); }

  // Requests in.
  [[nodiscard]] stream::result<stream::placement> place_request(const protocol::request& r);
  [[nodiscard]] awaitable<io::fair_mutex::turn> take_turn();
  [[nodiscard]] awaitable<protocol::wire_error> ensure_open(client& who, const protocol::request& r,
                                                            bool has_turn);
  [[nodiscard]] awaitable<protocol::wire_error> prepare_place(client& who,
                                                              const protocol::request& r,
                                                              const stream::placement& where);
  void tell_of_spilling();
  [[nodiscard]] bool waits_for_spill(const protocol::request& r) const;
  [[nodiscard]] std::optional<protocol::wire_error> arrived(client& who, const protocol::request& r,
                                                            admitted a);
  [[nodiscard]] awaitable<void> write_spill();
  void spilling_failed(error_code error);
  class waiter;

  // What is held, out.
  [[nodiscard]] awaitable<sink::failure> skip_gap();
  [[nodiscard]] bool clients_wait() const noexcept {
    return waiting_for_room_ > 0 || !late_.empty();
  }
  [[nodiscard]] io::clock::time_point send_at() const;
  void moved();

  // Its life.
  [[nodiscard]] awaitable<sink::failure> open_sink();
  [[nodiscard]] awaitable<sink::failure> complete();
  [[nodiscard]] awaitable<sink::failure> seal();
  [[nodiscard]] awaitable<void> issue_receipt();
  [[nodiscard]] receipt::content describe_for_receipt() const;
  [[nodiscard]] protocol::wire_error failed_in_sink(const client& who, const protocol::request& r,
                                                    error_code error, std::string_view why);
  void verdict_changed();
  void tell_of_bystanders();
  void end(bool committed) noexcept;
  void log_end();
  [[nodiscard]] awaitable<sink::failure> write_zeroes(std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] status::counters count() const noexcept;

  settings settings_;
  sink::sink& sink_;
  log::context log_;
  io::condition& changed_;
  stream::sequencer order_;
  stream::verdict verdict_;
  stream::stall stall_;
  std::unique_ptr<encoding::encoder> encoder_;
  spill_store spill_;
  held_data held_;
  late_replies late_;
  spill_queue unspilled_;
  /// A write all of whose payload has come, and some of which is in unspilled_.
  struct unspilled_write {
    client* who;
    protocol::request request;
    admitted placed;
  };
  std::deque<unspilled_write> unspilled_writes_;  ///< in the order in which they will be written
  io::async_scope spilling_;                      ///< write_spill(), as long as there is something
  bool is_spilling_ = false;
  protocol::wire_error spill_error_ = protocol::wire_error::io;
  io::fair_mutex turns_;
  io::condition room_;            ///< the cursor has moved, memory was freed, or all is over
  std::vector<client*> writers_;  ///< who joined and has not left
  std::size_t waiting_for_room_ = 0;
  /// The request that made it fail, if one did.
  struct cause {
    std::uint64_t connection;
    std::uint64_t offset;
  };
  std::optional<cause> failed_in_;
  std::size_t bystanders_ = 0;  ///< connections that have not written
  bool bystanders_were_told_ = false;
  bool end_is_sent_ = false;  ///< the reader may take the stream for a complete one
  bool commit_is_expected_ = false;
  bool opened_ = false;   ///< the sink was asked to, and has to be aborted or committed;
  bool is_open_ = false;  ///< and it is
  bool waiters_aborted_ = false;
  bool spilling_was_told_ = false;
  io::clock::time_point cancelled_at_ = io::clock::time_point::max();
  std::uint64_t sent_bytes_ = 0;              ///< of payload, by connections; of these
  std::uint64_t spliced_bytes_ = 0;           ///< from sockets
  std::uint64_t zero_bytes_ = 0;              ///< sent beside what held_ has sent
  std::uint64_t compressed_bytes_ = 0;        ///< that it became, where it has ended
  std::optional<stage::fingerprint> print_;   ///< once it is known
  std::unique_ptr<receipt::writer> receipt_;  ///< none where nobody has asked for one
  std::string receipt_problem_;
  bool sink_committed_ = false;  ///< then nothing can fail any more
  std::uint64_t joined_ = 0;     ///< connections, ever
  io::clock::time_point began_ = io::clock::now();
  status::wall_clock::time_point began_at_ = status::wall_clock::now();
};

}  // namespace nbdstream
#endif
