// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_TRANSFER_HPP
#define NBDSTREAM_SERVER_TRANSFER_HPP

#include "io/condition.hpp"
#include "io/spill.hpp"
#include "log/log.hpp"
#include "protocol/read_layout.hpp"
#include "protocol/request.hpp"
#include "server/client.hpp"
#include "server/lifecycle.hpp"
#include "sink/sink.hpp"
#include "stream/sequencer.hpp"
#include "stream/status.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace nbdstream {

/// One stream, from its first write to its end: the requests of all connections that write it, in
/// the order that the sequencer gives them, into the sink; then exactly one of commit and abort.
///
/// Shared by the connections that joined it, which may outlive it: once it has failed or ended,
/// whatever they still ask is answered with an error and touches the sink no more.
///
/// What is next in order goes from its connection to the sink, by who has the turn. What is ahead
/// is held, and sent by tend() when the cursor reaches it.
class transfer {
 public:
  struct settings {
    std::uint64_t id = 1;
    std::string label;  ///< begins its log lines
    std::string export_name;
    stream::sequencer::limits limits;
    io::clock::duration stall = std::chrono::seconds(2);  ///< how long a full window waits
    bool vouched = false;                                 ///< see lifecycle
    bool pad = true;
    bool refuse_gaps = false;
    /// Makes the spill file when something is to be spilled first.
    std::function<io_result<std::unique_ptr<io::spill>>()> open_spill{};
    std::string spill_directory{};  ///< for messages
  };

  /// `sink` and `log` are borrowed until finish() has returned. `changed` is called when what
  /// the owner must act on may have changed: the state, or whether there is something to tend().
  transfer(const asio::any_io_executor& executor, settings s, sink::sink& sink, log::logger& log,
           std::function<void()> changed);

  // What connections do.

  void join(client& who);
  void leave(client& who, departure how);

  /// What became of a request that writes.
  struct admitted {
    protocol::wire_error error = protocol::wire_error::none;
    stream::placement where;
    /// place::next: the right to feed the stream; then `where.zeroes` were sent already.
    io::turnstile::turn turn;
    /// place::memory and spill: keeps the place until done().
    stream::sequencer::pending arriving;
  };

  /// Gives a request that writes (1 byte or more) its place; opens the sink if it is the first.
  /// Waits as long as there is no room for it. A payload of `where.payload` bytes, then of
  /// `where.excess` that must be zero, is due where there is no error: to send(), into
  /// `where.block` or to spill(), as `where.where` says.
  [[nodiscard]] awaitable<admitted> admit(client& who, protocol::request r);

  /// Whether admit() would give a write of these bytes place::next without waiting and refuse none
  /// of them: then writes that follow one another may be admitted as one.
  [[nodiscard]] bool takes_at_once(std::uint64_t offset, std::uint64_t length) const;

  /// place::next: sends some of the payload. State: the caller has the turn.
  [[nodiscard]] awaitable<protocol::wire_error> send(client& who, const protocol::request& r,
                                                     protocol::bytes payload);
  /// The same with a payload of `r.length` bytes that is in several pieces, which it spoils.
  [[nodiscard]] awaitable<protocol::wire_error> send_parts(client& who, const protocol::request& r,
                                                           std::span<iovec> parts);
  /// What splice() did, and the error for the client.
  struct spliced {
    protocol::wire_error error = protocol::wire_error::none;
    sink::sink::spliced did{};
  };
  [[nodiscard]] bool splices() const noexcept { return sink_.splices(); }
  [[nodiscard]] bool splices_unseen() const noexcept { return sink_.splices_unseen(); }
  /// place::next: moves some of the payload, up to `count` bytes, from the client's socket. State:
  /// the caller has the turn, and splices().
  [[nodiscard]] awaitable<spliced> splice(client& who, const protocol::request& r, int socket,
                                          std::uint64_t count);
  /// place::spill: some of the payload, for `offset` in the stream.
  [[nodiscard]] awaitable<protocol::wire_error> spill(client& who, const protocol::request& r,
                                                      std::uint64_t offset,
                                                      protocol::bytes payload);
  /// All of the payload went where it was due. Returns the answer; where there is none, the
  /// client's answer() will be called.
  [[nodiscard]] std::optional<protocol::wire_error> done(client& who, const protocol::request& r,
                                                         admitted a);

  /// Answers now what done() has put off for `who`: it will ask nothing more.
  void answer_all(client& who);

  /// FLUSH and FUA: reports that the stream has failed, and flushes what was sent.
  [[nodiscard]] awaitable<protocol::wire_error> flush(client& who);

  enum class readable { zeroes, data, sent };
  /// What a READ would find: only zeroes; data that is held; or bytes that were sent and are gone.
  [[nodiscard]] readable look(std::uint64_t offset, std::uint64_t length) const;
  /// Reads [offset, offset + into.size()), and tells `layout` which of it are zeroes. EIO where it
  /// was sent before it could be read.
  [[nodiscard]] awaitable<protocol::wire_error> read(std::uint64_t offset,
                                                     std::span<std::byte> into,
                                                     protocol::read_layout& layout);
  /// What stands in [offset, offset + length), 1 byte or more; or in the beginning of that, where
  /// it is in very many pieces. Agrees with what a READ would find.
  [[nodiscard]] std::vector<stream::stretch> status(std::uint64_t offset,
                                                    std::uint64_t length) const;

  /// A write of `who` cannot be done: the stream fails. Returns the error for the client.
  protocol::wire_error refuse(const client& who, const protocol::request& r, int error_number,
                              std::string_view why);

  /// The stream fails, and what is under way in the sink is cancelled. Without effect once it is
  /// committing or has ended.
  void fail(std::string_view reason);

  // What the export does.

  [[nodiscard]] lifecycle::state state() const noexcept { return life_.current(); }
  [[nodiscard]] bool only_zeroes() const noexcept { return !any_payload_; }
  [[nodiscard]] bool committing() const noexcept { return phase_ == phase::committing; }
  [[nodiscard]] std::uint64_t position() const noexcept { return sequencer_.cursor(); }
  void vouch();

  /// When tend() has something to do: in the past for now.
  [[nodiscard]] io::clock::time_point tend_at() const;
  /// Sends what is held and next in order; gives a gap up for which a full window has waited
  /// --stall. Returns when there is nothing more to do now.
  [[nodiscard]] awaitable<void> tend();

  /// Commits a candidate, or aborts. Returns whether it was committed. State: candidate or failed;
  /// once. Afterwards the sink is free for the next stream.
  [[nodiscard]] awaitable<bool> finish();

  /// Ends even a commit that is under way.
  void cancel_commit();

 private:
  enum class phase { running, committing, ended };
  /// A request whose answer was put off until the cursor has passed it, or the window has room.
  struct put_off {
    std::uint64_t end;  ///< of its bytes
    client* who;
    protocol::ticket of;
  };

  // Requests in.
  [[nodiscard]] awaitable<io::turnstile::turn> take_turn(client& who);
  void use_sink_for(client& who);
  [[nodiscard]] stream::result<stream::placement> place_request(const protocol::request& r);
  [[nodiscard]] awaitable<protocol::wire_error> ensure_open(client& who, const protocol::request& r,
                                                            bool has_turn);
  [[nodiscard]] awaitable<protocol::wire_error> make_way(client& who, const protocol::request& r,
                                                         const stream::placement& where);
  class waiter;

  // What is held, out.
  [[nodiscard]] sink::failure open_spill();
  [[nodiscard]] awaitable<sink::failure> send_next();
  [[nodiscard]] awaitable<sink::failure> send_memory();
  [[nodiscard]] awaitable<sink::failure> send_spilled(const stream::extent& e);
  [[nodiscard]] awaitable<void> give_back_sent();
  [[nodiscard]] awaitable<sink::failure> give_up_gap();
  [[nodiscard]] bool under_pressure() const noexcept;
  [[nodiscard]] io::clock::time_point due() const;
  void moved();
  void answer_put_off();

  // Its life.
  /// Nothing can become of it any more: what it held cannot be read either.
  [[nodiscard]] bool over() const noexcept {
    return phase_ == phase::ended || state() == lifecycle::state::failed;
  }
  [[nodiscard]] awaitable<sink::failure> open_sink();
  [[nodiscard]] awaitable<sink::failure> complete();
  [[nodiscard]] protocol::wire_error failed_in_sink(const client& who, const protocol::request& r,
                                                    const sink::failure& failed);
  void give_up();
  void log_committed();

  settings settings_;
  sink::sink& sink_;
  log::logger& log_;
  std::function<void()> changed_;
  stream::sequencer sequencer_;
  lifecycle life_;
  io::turnstile turns_;
  io::condition room_;            ///< the cursor has moved, memory was freed, or all is over
  std::vector<client*> writers_;  ///< who joined and has not left
  std::size_t waiting_for_room_ = 0;
  std::vector<put_off> put_off_;           ///< a heap, with the least end in front
  std::vector<stream::block_ptr> blocks_;  ///< held memory that is being sent;
  std::vector<iovec> parts_;               ///< the bytes of it
  std::shared_ptr<io::spill> spill_;
  std::uint64_t given_back_to_ = 0;  ///< the spill file needs nothing before this any more
  std::uint64_t moved_to_ = 0;       ///< the cursor as it was last looked at
  io::clock::time_point quiet_since_ = io::clock::now();  ///< the cursor has not moved since
  std::uint64_t grown_to_ = 0;                            ///< the most memory in use since then
  bool gaps_are_zeroes_ = false;  ///< one was given up: later ones do not wait
  phase phase_ = phase::running;
  bool opened_ = false;
  bool any_payload_ = false;
  std::uint64_t payload_bytes_ = 0;  ///< sent; of these
  std::uint64_t spliced_bytes_ = 0;  ///< from sockets, and
  std::uint64_t spilled_bytes_ = 0;  ///< from the spill file
  io::clock::time_point began_ = io::clock::now();
};

}  // namespace nbdstream
#endif
