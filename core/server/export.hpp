// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_EXPORT_HPP
#define NBDSTREAM_SERVER_EXPORT_HPP

#include "config/config.hpp"
#include "protocol/negotiator.hpp"
#include "server/open_stream.hpp"
#include "server/served.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nbdstream {

/// One export with its sink: turns what its clients do into streams, one after another.
class nbd_export final : public served {
 public:
  struct settings {
    config::export_config config;
    stream::order order = stream::order::strict;
    spill_store::settings spill;
    bool refuse_gaps = false;
    bool one_connection = false;  ///< no other can come: --single
    bool decided_by_run = false;  ///< --run: see stream::verdict
    bool told = false;            ///< --end told
    io::clock::duration run_grace = std::chrono::seconds(10);
    io::clock::duration receipt_timeout = std::chrono::seconds(60);  ///< of a call of its disk
    io::clock::duration grace =
        std::chrono::seconds(5);  ///< how long a sink's call may take to end
  };

  /// `log` and `server_changed` are borrowed; the latter is notified where ended() or is_stuck()
  /// may have changed.
  nbd_export(asio::any_io_executor executor, settings s, std::unique_ptr<sink::sink> sink,
             log::logger& log, io::condition& server_changed);

  [[nodiscard]] const protocol::export_info& info() const noexcept override { return info_; }
  [[nodiscard]] std::unique_ptr<service> serve(connection& on) override;

  // What connections do.

  /// A connection has chosen this export, or leaves it.
  void attach();
  void detach(client& who, stream::disconnect how);
  /// `who` has hung up inside a request: no reply can reach it.
  void hung_up(client& who);

  /// The stream that `who` writes to: the one that it joined, or, with its first write, the one
  /// that is open, or a new one, after waiting for a commit that is under way. Null where no
  /// further stream will be served, the sink is stuck, or `who` has hung up.
  [[nodiscard]] awaitable<std::shared_ptr<open_stream>> join(client& who);

  /// The stream that `who` reads: the one that it joined, or the one that is open; or null.
  [[nodiscard]] std::shared_ptr<open_stream> stream_of(const client& who) const noexcept {
    return who.joined ? who.joined : current_;
  }

  /// For as long as it lives: a connection that has not joined a stream has begun its first write.
  class first_write {
   public:
    explicit first_write(nbd_export& of) noexcept : of_(of) { ++of_.first_writes_; }
    ~first_write() { --of_.first_writes_; }
    first_write(const first_write&) = delete;
    first_write& operator=(const first_write&) = delete;

   private:
    nbd_export& of_;
  };

  /// Whether one connection is attached, and no other.
  [[nodiscard]] bool alone() const noexcept { return attached_ == 1; }

  /// One large READ of held data at a time, so that they cost one buffer.
  [[nodiscard]] io::fair_mutex& readers() noexcept { return readers_; }

  /// Whether zeroes are held by reference: NBD_CMD_FLAG_FAST_ZERO.
  [[nodiscard]] bool zeroes_are_fast() const noexcept {
    return settings_.order != stream::order::strict;
  }

  /// Whether what no request has named reads as zeroes; else what stands there is not known.
  [[nodiscard]] bool gaps_are_zeroes() const noexcept { return !settings_.config.diff_from; }

  // What the server does.

  /// Serves streams until there are no more: `streams` were served, or stop() was called.
  [[nodiscard]] awaitable<void> run();
  /// Beside run(), until that has ended: watches for a sink that has found out that it cannot go
  /// on, and for one that does not return from a call that was asked to end.
  [[nodiscard]] awaitable<void> watch_sink();

  /// The command of --run has ended; `how` says how, as "the command of --run exited with status
  /// 3".
  void run_exited(int status, std::string_view how);
  /// No client can come any more: what is open is decided now.
  void no_more_clients();
  /// Serve no stream after the current one, which goes on.
  void close() noexcept;
  /// The same, and one that is still being written fails for this reason.
  void stop(std::string_view reason);
  /// run() has thrown: what is open is lost.
  void mark_lost() noexcept;
  /// Ends even a commit that is under way.
  void cancel_commit(std::string_view reason);

  /// Whether how clients disconnect decides over a stream.
  [[nodiscard]] bool decided_by_disconnects() const noexcept {
    return !settings_.decided_by_run && !settings_.told;
  }

  // What is told from outside (--control).

  /// What became of something that was told.
  struct told {
    enum class result {
      done,      ///< the stream has ended as told
      conflict,  ///< that cannot be done; `why` says what stands against it
      failed     ///< it was tried, and the stream was aborted instead, for the reason `why`
    };
    result what = result::done;
    std::string why;
    status::outcome stream;  ///< done, failed: how it ended
  };
  /// The job that writes the open stream has succeeded: waits until those that wrote have
  /// disconnected (at most --run-grace), and until the stream has ended.
  [[nodiscard]] awaitable<told> commit();
  /// The job has failed: aborts the open stream, and waits until that is done.
  [[nodiscard]] awaitable<told> abort(std::string reason);
  /// How the stream ended that is open or, where none is, the next one; nothing where none comes.
  /// Of an export of one stream: how that has ended.
  [[nodiscard]] awaitable<std::optional<status::outcome>> next_outcome();
  /// As it is now; without the rates.
  [[nodiscard]] status::exported snapshot() const;

  [[nodiscard]] bool stream_open() const noexcept { return static_cast<bool>(current_); }
  /// Whether any stream has begun.
  [[nodiscard]] bool ever_written() const noexcept { return current_ || committed_ + aborted_ > 0; }
  /// How many streams are still to come, or to end; 0 for a service that serves for ever.
  [[nodiscard]] std::uint64_t outstanding() const noexcept;
  [[nodiscard]] bool ended() const noexcept { return phase_ == phase::ended; }
  /// A call of the sink was asked to end and has not returned within --grace: no stream can be
  /// served, and the process need not wait for it. An abort that is late is none of this, as long
  /// as there are streams to come.
  [[nodiscard]] bool is_stuck() const noexcept {
    const bool more_to_come = phase_ == phase::serving && !last_stream();
    return late_ && !(more_to_come && sink_->busy() == sink::sink::activity::aborting);
  }
  [[nodiscard]] std::uint64_t committed() const noexcept { return committed_; }
  [[nodiscard]] std::uint64_t aborted() const noexcept { return aborted_; }
  /// How many of those that were committed lack the receipt that was asked for.
  [[nodiscard]] std::uint64_t without_receipt() const noexcept { return without_receipt_; }

 private:
  enum class phase {
    serving,
    closing,  ///< no stream begins after the current one
    ended     ///< run() has returned
  };
  void begin_stream();
  void end_stream();
  [[nodiscard]] bool zeroes_may_be_meant() const noexcept;
  [[nodiscard]] awaitable<bool> wait_for_end(const open_stream& s);
  [[nodiscard]] static told describe_end(const open_stream& s, bool has_ended);
  [[nodiscard]] told refuse_commit() const;
  void count_bystander(int change);
  [[nodiscard]] bool last_stream() const noexcept;
  /// Acts for the open stream until it is to be finished (true), or there will be none (false).
  [[nodiscard]] awaitable<bool> stream_decided();

  asio::any_io_executor executor_;
  settings settings_;
  protocol::export_info info_;
  std::unique_ptr<sink::sink> sink_;
  log::context log_;
  io::condition changed_;
  io::condition& server_changed_;
  io::fair_mutex readers_;
  std::shared_ptr<open_stream> current_;
  phase phase_ = phase::serving;
  bool late_ = false;             ///< the sink's call is
  bool run_succeeded_ = false;    ///< the command of --run
  bool client_vanished_ = false;  ///< which ended a stream, and none was committed since
  bool ever_attached_ = false;
  std::size_t attached_ = 0;
  std::size_t first_writes_ = 0;  ///< under way
  std::size_t bystanders_ = 0;    ///< attached connections that have not written
  status::counters counted_;      ///< of the streams that have ended
  std::vector<status::outcome> recent_;
  std::optional<status::wall_clock::time_point> last_commit_;
  std::uint64_t committed_ = 0;
  std::uint64_t aborted_ = 0;
  std::uint64_t without_receipt_ = 0;
};

}  // namespace nbdstream
#endif
