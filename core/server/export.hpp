// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_EXPORT_HPP
#define NBDSTREAM_SERVER_EXPORT_HPP

#include "config/config.hpp"
#include "protocol/negotiator.hpp"
#include "server/transfer.hpp"

#include <functional>
#include <memory>

namespace nbdstream {

/// One export with its sink: turns what its clients do into streams, one after another.
class nbd_export {
 public:
  struct settings {
    config::export_config config;
    stream::order order = stream::order::strict;
    std::string spill_directory = "/var/tmp";
    /// Makes the spill file of a stream; empty: one in spill_directory.
    std::function<io_result<std::unique_ptr<io::spill>>()> open_spill{};
    bool refuse_gaps = false;
    bool vouched = false;  ///< --run: see lifecycle
  };

  /// `log` is borrowed.
  nbd_export(asio::any_io_executor executor, settings s, std::unique_ptr<sink::sink> sink,
             log::logger& log);

  [[nodiscard]] const protocol::export_info& info() const noexcept { return info_; }

  // What connections do.

  /// A connection has chosen this export, or leaves it.
  void attach(client& who);
  void detach(client& who, departure how);
  /// `who` has hung up inside a request: nobody is left to answer.
  void hung_up(client& who);

  /// The stream that `who` writes to: the one that it joined, or, with its first write, the one
  /// that is open, or a new one, after waiting for a commit that is under way. Null where no
  /// further stream will be served, or `who` has hung up.
  [[nodiscard]] awaitable<std::shared_ptr<transfer>> join(client& who);

  /// The stream that `who` reads: the one that it joined, or the one that is open; or null.
  [[nodiscard]] std::shared_ptr<transfer> stream_of(const client& who) const noexcept {
    return who.joined ? who.joined : current_;
  }

  /// Whether one connection is attached, and no other.
  [[nodiscard]] bool alone() const noexcept { return attached_ == 1; }

  /// One READ of held data at a time, so that they cost one buffer.
  [[nodiscard]] io::turnstile& readers() noexcept { return readers_; }

  /// Whether zeroes are held by reference: NBD_CMD_FLAG_FAST_ZERO.
  [[nodiscard]] bool zeroes_are_fast() const noexcept {
    return settings_.order != stream::order::strict;
  }

  // What the server does.

  /// Serves streams until there are no more: `streams` were served, or stop() was called.
  [[nodiscard]] awaitable<void> run();

  /// The command has exited with 0 and every connection has ended: commit what there is.
  void vouch();
  /// No client can come any more: what is open is decided by how its clients left.
  void no_more_clients();
  /// Serve no further stream; one that is open fails for this reason, unless it is committing.
  void stop(std::string_view reason);
  /// Serve no stream after the current one, which goes on.
  void close();
  /// run() has failed by a mistake of ours: what was open is lost.
  void broke();
  /// Ends even a commit that is under way.
  void cancel_commit();

  [[nodiscard]] bool vouched() const noexcept { return settings_.vouched; }

  [[nodiscard]] bool stream_open() const noexcept { return static_cast<bool>(current_); }
  [[nodiscard]] bool committing() const noexcept { return current_ && current_->committing(); }
  /// Bytes of all streams until now.
  [[nodiscard]] std::uint64_t position() const noexcept {
    return bytes_before_ + (current_ ? current_->position() : 0);
  }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] std::uint64_t committed() const noexcept { return committed_; }
  [[nodiscard]] std::uint64_t aborted() const noexcept { return aborted_; }

 private:
  void begin_stream();
  /// Of the current stream, or of the next where none is open.
  [[nodiscard]] std::uint64_t stream_id() const noexcept { return committed_ + aborted_ + 1; }
  /// When a candidate of nothing but zeroes has waited long enough for another connection.
  [[nodiscard]] io::clock::time_point settled_at() const noexcept;
  /// Whether a connection's first write belongs to the stream that is open.
  [[nodiscard]] bool joinable() const noexcept;
  [[nodiscard]] bool last_stream() const noexcept;
  /// A candidate of nothing but zeroes may be the preamble of another connection's data.
  [[nodiscard]] bool may_continue() const noexcept;
  /// Tends the open stream until it is to be finished (true), or there will be none (false).
  [[nodiscard]] awaitable<bool> stream_decided();

  asio::any_io_executor executor_;
  settings settings_;
  protocol::export_info info_;
  std::string label_;
  std::unique_ptr<sink::sink> sink_;
  log::logger& log_;
  io::condition changed_;
  io::turnstile readers_;
  std::shared_ptr<transfer> current_;
  bool finishing_ = false;
  bool closed_ = false;  ///< no stream after the current one
  bool last_client_left_ = false;
  bool ever_attached_ = false;
  bool ended_ = false;
  std::size_t attached_ = 0;
  std::size_t bystanders_ = 0;  ///< attached connections that have not written
  io::clock::time_point last_movement_ = io::clock::now();  ///< when one came or went
  std::uint64_t bytes_before_ = 0;                          ///< of the streams that have ended
  std::uint64_t committed_ = 0;
  std::uint64_t aborted_ = 0;
};

}  // namespace nbdstream
#endif
