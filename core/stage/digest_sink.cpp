// SPDX-License-Identifier: BSD-3-Clause
#include "stage/digest_sink.hpp"

#include "log/reason.hpp"
#include "stage/hasher.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream::stage {
namespace {

/// What is handed to the thread and to the sink in turns: half of what the thread's pipe holds, so
/// that both are at work.
constexpr std::uint64_t piece_size = io::largest_pipe / 2;  // bytes

/// What the thread reads at once: it stays in the processor's cache.
constexpr std::size_t read_size = 256 << 10;  // bytes

/// How long an abort waits for the thread, which then is left behind.
constexpr auto thread_end_time = std::chrono::milliseconds(200);

}  // namespace

/// What the loop and the thread share. The thread writes `hash`, `print` and `why` until it ends.
struct digest_sink::hashing {
  explicit hashing(config::digest_algorithm a) : hash(a) {}

  hasher hash;
  io::unique_fd from;
  std::atomic<bool> dropped = false;  ///< nobody wants the result any more
  fingerprint print;
  std::string why;  ///< of a failure

  /// The thread's job: until the pipe's end. Returns 0 or -errno.
  std::int64_t run() {
    std::int64_t result = -EIO;
    try {
      result = read_all();
      if (result == 0 && !dropped) print = hash.finish();
    } catch (const std::bad_alloc&) {
      result = -ENOMEM;
    } catch (const std::exception& e) {
      why = e.what();
    }
    from.reset();  // who writes must not wait for a reader that is gone
    return result;
  }

 private:
  std::int64_t read_all() {
    std::vector<std::byte> buffer(read_size);
    while (!dropped) {
      const auto n = ::read(from.get(), buffer.data(), buffer.size());
      if (n < 0 && errno != EINTR) return -errno;
      if (n == 0) return 0;
      if (n > 0) hash.update(std::span(buffer).first(static_cast<std::size_t>(n)));
    }
    return -ECANCELED;
  }
};

digest_sink::digest_sink(const asio::any_io_executor& executor, std::unique_ptr<sink> to,
                         config::digest_algorithm algorithm, log::logger& log, bool copy_only)
    : forwarding_sink(executor, std::move(to)),
      executor_(executor),
      algorithm_(algorithm),
      copy_only_(copy_only),
      ready_(executor),
      feeder_(executor),
      scope_(executor, [this, &log](std::exception_ptr failed) {
        log.error("{}", log::reason(failed));
        result_ = -EIO;
        hashed_ = true;
        changed_.notify_all();
      }) {}

digest_sink::~digest_sink() = default;

auto digest_sink::failed_in_tap(error_code error) const -> failure {
  if (!error) return {};
  if (error == asio::error::operation_aborted) return {error, "cancelled"};
  const bool thread_ended = error == boost::system::errc::broken_pipe;
  if (thread_ended && hashed_) {
    const auto code = from_errno(static_cast<int>(-result_));
    const auto& why = hashing_->why.empty() ? code.message() : hashing_->why;
    return {from_errno(EIO), "the digest of the stream cannot be computed: " + why};
  }
  return {error, fmt::format("the digest of the stream cannot be computed: {}", error.message())};
}

void digest_sink::start_hashing() {
  hashing_ = std::make_shared<hashing>(algorithm_);
  auto pipe = io::make_pipe(0);
  if (!pipe.in) throw std::runtime_error("no descriptors are left");
  hashing_->from = std::move(pipe.out);
  tap_ = std::move(pipe.in);
  to_tap_.emplace(tap_.get(), false, ready_, feeder_, cancelled_, copy_only_);
  thread_ = std::make_unique<io::worker>(executor_);
  hashed_ = false;
  scope_.spawn(hash(hashing_));
}

awaitable<void> digest_sink::hash(std::shared_ptr<hashing> of) {
  io::worker::job job = [of] { return of->run(); };
  result_ = co_await thread_->run(std::move(job));
  // It may not have begun, where no thread can be had: then nobody reads what comes.
  if (result_ < 0 && !thread_->abandoned()) of->from.reset();
  hashed_ = true;
  changed_.notify_all();
}

auto digest_sink::open(const nbdstream::sink::stream_info& stream) -> awaitable<failure> {
  auto failed = co_await to_->open(stream);
  if (failed) co_return failed;
  try {
    start_hashing();
  } catch (const std::exception& e) {
    failed = {from_errno(EIO), fmt::format("no digest can be computed: {}", e.what())};
  }
  co_return failed;
}

auto digest_sink::write(std::span<const std::byte> data) -> awaitable<failure> {
  if (to_tap_) {
    const under_way busy(working_, changed_);
    const auto error = co_await to_tap_->write(data);
    if (error) co_return failed_in_tap(error);
  }
  co_return co_await to_->write(data);
}

auto digest_sink::write_parts(std::span<iovec> parts) -> awaitable<failure> {
  if (to_tap_) {
    const under_way busy(working_, changed_);
    parts_.assign(parts.begin(), parts.end());
    const auto error = co_await to_tap_->write_parts(parts_);
    if (error) co_return failed_in_tap(error);
  }
  co_return co_await to_->write_parts(parts);
}

auto digest_sink::write_zeroes(std::uint64_t count) -> awaitable<failure> {
  failure failed;
  while (count > 0 && !failed) {
    const auto piece = to_tap_ ? std::min(count, piece_size) : count;
    if (to_tap_) {
      const under_way busy(working_, changed_);
      const auto error = co_await to_tap_->write_zeroes(piece);
      failed = failed_in_tap(error);
    }
    if (!failed) failed = co_await to_->write_zeroes(piece);
    count -= piece;
  }
  co_return failed;
}

auto digest_sink::write_file(int from, std::uint64_t offset, std::uint64_t count)
    -> awaitable<failure> {
  failure failed;
  while (count > 0 && !failed) {
    const auto piece = to_tap_ ? std::min(count, piece_size) : count;
    if (to_tap_) {
      const under_way busy(working_, changed_);
      const auto error = co_await to_tap_->send_file(from, offset, piece);
      failed = failed_in_tap(error);
    }
    if (!failed) failed = co_await to_->write_file(from, offset, piece);
    offset += piece;
    count -= piece;
  }
  co_return failed;
}

std::uint64_t digest_sink::in_transit() const noexcept {
  const auto in_tap = to_tap_ ? to_tap_->in_transit() : 0;
  return std::max(in_tap, to_->in_transit());
}

auto digest_sink::seal(std::span<const std::byte> last, std::optional<fingerprint>& print)
    -> awaitable<failure> {
  const under_way busy(working_, changed_);
  const auto error = co_await to_tap_->write(last);
  if (error) co_return failed_in_tap(error);
  to_tap_.reset();
  tap_.reset();
  while (!hashed_ && !cancelled_) co_await changed_.wait();
  if (!hashed_) co_return failed_in_tap(asio::error::operation_aborted);
  if (result_ < 0) {
    const auto code = from_errno(static_cast<int>(-result_));
    co_return failure{code, "the digest of the stream cannot be computed: " +
                                (hashing_->why.empty() ? code.message() : hashing_->why)};
  }
  print = std::move(hashing_->print);
  co_return failure{};
}

auto digest_sink::commit(std::uint64_t length) -> awaitable<failure> {
  auto failed = co_await to_->commit(length);
  if (failed) co_return failed;
  cancelled_ = false;  // that came too late
  const auto until = io::clock::now() + thread_end_time;
  co_await end_hashing(until);
  co_return failed;
}

awaitable<void> digest_sink::abort() {
  cancel();
  while (working_) co_await changed_.wait();
  aborting_ = true;
  co_await to_->abort();
  const auto until = io::clock::now() + thread_end_time;
  co_await end_hashing(until);
  aborting_ = false;
  cancelled_ = false;
}

awaitable<void> digest_sink::end_hashing(io::clock::time_point until) {
  to_tap_.reset();
  tap_.reset();
  if (hashing_) hashing_->dropped = true;
  between_ = {};  // what an abort has left in it
  moving_ = 0;
  while (thread_ && !hashed_ && io::clock::now() < until) {
    co_await changed_.wait_with_second_look(until);
  }
  if (thread_ && !hashed_) thread_->abandon();
  co_await scope_.join();
  thread_.reset();
  hashing_.reset();
}

void digest_sink::cancel() {
  cancelled_ = true;
  ready_.cancel();
  changed_.notify_all();
  to_->cancel();
}

}  // namespace nbdstream::stage
