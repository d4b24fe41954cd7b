// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_DIGEST_SINK_HPP
#define NBDSTREAM_STAGE_DIGEST_SINK_HPP

#include "io/async_scope.hpp"
#include "io/fd_writer.hpp"
#include "io/pipe.hpp"
#include "log/log.hpp"
#include "sink/sink.hpp"
#include "stage/fingerprint.hpp"
#include "stage/forwarding_sink.hpp"
#include "stage/under_way.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace nbdstream::stage {

/// In front of a sink: computes a fingerprint of what goes into it.
///
/// As `tee >(sha256sum)` does it: everything also goes into a pipe, which a thread reads. What
/// comes by reference (spliced, from the spill file, zeroes) goes there by reference, too, so the
/// digest costs one copy, on its own thread. What the thread is behind is at most what that pipe
/// holds.
class digest_sink final : public forwarding_sink {
 public:
  /// `log` is borrowed. `copy_only`: no page of a file is handed on by reference.
  digest_sink(const asio::any_io_executor& executor, std::unique_ptr<sink> to,
              config::digest_algorithm algorithm, log::logger& log, bool copy_only = false);
  /// State: no stream is open.
  ~digest_sink() override;
  digest_sink(const digest_sink&) = delete;
  digest_sink& operator=(const digest_sink&) = delete;

  [[nodiscard]] awaitable<failure> open(const nbdstream::sink::stream_info& stream) override;
  [[nodiscard]] awaitable<failure> write(std::span<const std::byte> data) override;
  [[nodiscard]] awaitable<failure> write_parts(std::span<iovec> parts) override;
  [[nodiscard]] awaitable<failure> write_zeroes(std::uint64_t count) override;
  [[nodiscard]] awaitable<failure> write_file(int from, std::uint64_t offset,
                                              std::uint64_t count) override;
  [[nodiscard]] bool splices() const noexcept override { return can_splice_ && to_->splices(); }
  [[nodiscard]] bool splices_unseen() const noexcept override { return to_->splices_unseen(); }
  [[nodiscard]] std::uint64_t moving() const noexcept override { return moving_; }
  [[nodiscard]] awaitable<io::splice_result> splice(int socket, std::uint64_t count) override;
  [[nodiscard]] std::uint64_t in_transit() const noexcept override;
  [[nodiscard]] awaitable<failure> wait_until_taken() override { return to_->wait_until_taken(); }
  [[nodiscard]] awaitable<failure> flush() override { return to_->flush(); }
  [[nodiscard]] awaitable<failure> seal(std::span<const std::byte> last,
                                        std::optional<fingerprint>& print) override;
  [[nodiscard]] awaitable<failure> commit(std::uint64_t length) override;
  [[nodiscard]] awaitable<void> abort() override;
  void cancel() override;
  [[nodiscard]] std::uint64_t compressed() const noexcept override { return to_->compressed(); }
  [[nodiscard]] std::optional<std::uint64_t> acknowledged() const noexcept override {
    return to_->acknowledged();
  }

 private:
  struct hashing;

  void start_hashing();
  /// Beside all else, from open() to the end of the stream.
  [[nodiscard]] awaitable<void> hash(std::shared_ptr<hashing> of);
  /// Nothing more is hashed: waits until the thread has ended, at most until `until`.
  [[nodiscard]] awaitable<void> end_hashing(io::clock::time_point until);
  [[nodiscard]] failure failed_in_tap(error_code error) const;

  // What splice() does, one step after the other.
  [[nodiscard]] std::uint64_t take(int socket, std::uint64_t count, io::splice_result& did);
  [[nodiscard]] awaitable<failure> pass_on(std::uint64_t count);
  [[nodiscard]] awaitable<error_code> tee(std::uint64_t count, std::uint64_t& teed);
  [[nodiscard]] awaitable<failure> move_on(std::uint64_t count);
  [[nodiscard]] awaitable<failure> copy_on(std::uint64_t count, bool hash);

  asio::any_io_executor executor_;
  config::digest_algorithm algorithm_;
  bool copy_only_;
  io::fd_waiter ready_;
  io::worker feeder_;  ///< reads files into the thread's pipe
  std::atomic<bool> cancelled_ = false;

  // Of the stream that is open.
  std::shared_ptr<hashing> hashing_;    ///< the thread may keep it longer
  std::unique_ptr<io::worker> thread_;  ///< that hashes
  bool hashed_ = false;                 ///< it has ended
  std::int64_t result_ = 0;             ///< with this: 0 or -errno
  io::unique_fd tap_;                   ///< where the thread's pipe is written
  std::optional<io::fd_writer> to_tap_;
  std::vector<iovec> parts_;  ///< of the call under way

  // What is spliced passes through this pipe, which is empty between two calls.
  io::pipe_ends between_;
  bool can_splice_ = true;
  bool can_tee_ = true;
  std::uint64_t moving_ = 0;  ///< bytes that splice() has taken from the socket
  std::vector<std::byte> buffer_;

  io::async_scope scope_;
};

}  // namespace nbdstream::stage
#endif
