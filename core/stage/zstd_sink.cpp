// SPDX-License-Identifier: BSD-3-Clause
//
// How the bytes of a stream get into frames, and its life. How frames get to the next sink is in
// zstd_hand_on.cpp.
#include "stage/zstd_sink.hpp"

#include "io/spill_file.hpp"
#include "log/reason.hpp"
#include "seekable/zeroes.hpp"
#include "stage/frame_compressor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace nbdstream::stage {
namespace {

using seekable::frame_content;

constexpr unsigned most_threads = 4;

/// How long an abort waits for the threads, which then are left behind: a frame takes seconds with
/// the highest levels.
constexpr auto thread_end_time = std::chrono::milliseconds(200);

/// The most that a stream of `size` bytes becomes, seek table included: what cannot be compressed
/// grows by 4 bytes in each block of 128 KiB and some 30 in each frame.
std::uint64_t most_compressed(std::uint64_t size) {
  constexpr std::uint64_t a_short_one = 64 << 10;  // bytes
  return size + size / 200 + a_short_one;
}

}  // namespace

unsigned zstd_sink::usual_threads() noexcept {
  return std::clamp(std::thread::hardware_concurrency(), 1U, most_threads);
}

zstd_sink::zstd_sink(const asio::any_io_executor& executor, std::unique_ptr<sink> to, settings s,
                     log::logger& log)
    : forwarding_sink(executor, std::move(to)),
      executor_(executor),
      settings_(s),
      file_reader_(executor),
      scope_(executor, [this, &log](std::exception_ptr failed) {
        auto why = log::reason(failed);
        log.error("{}", why);
        fail({from_errno(EIO), "the stream cannot be compressed: " + why});
      }) {}

zstd_sink::~zstd_sink() = default;

void zstd_sink::fail(failure why) {
  if (!failure_) failure_ = std::move(why);
  changed_.notify_all();
}

auto zstd_sink::stopped() const -> failure {
  if (cancelled_) return {asio::error::operation_aborted, "cancelled"};
  return failure_;
}

auto zstd_sink::open(const nbdstream::sink::stream_info& stream) -> awaitable<failure> {
  auto info = stream;
  if (info.size) info.size = most_compressed(*info.size);
  info.size_is_exact = false;
  written_ = 0;
  auto failed = co_await to_->open(info);
  if (!failed) begin_work();
  co_return failed;
}

void zstd_sink::begin_work() {
  for (unsigned i = 0; i < settings_.threads; ++i) {
    lanes_.push_back({std::make_shared<frame_compressor>(settings_.level),
                      std::make_unique<io::worker>(executor_)});
  }
  handing_on_ = true;
  scope_.spawn(hand_on());
}

/// Waits as long as there are no buffers; none where the stream has failed. With two for each
/// thread and two more, what is next in the queue always has its own, so some become free.
auto zstd_sink::take_buffer() -> awaitable<buffer> {
  const auto most = 2 * lanes_.size() + 2;
  while (free_buffers_.empty() && buffers_ == most) {
    if (stopped()) co_return nullptr;
    co_await changed_.wait();
  }
  if (stopped()) co_return nullptr;
  buffer taken;
  if (free_buffers_.empty()) {
    const auto size = frame_compressor::most_bytes(frame_content);
    taken = std::make_shared_for_overwrite<std::byte[]>(size);
    ++buffers_;
  } else {
    taken = std::move(free_buffers_.back());
    free_buffers_.pop_back();
  }
  co_return taken;
}

auto zstd_sink::take_lane() -> awaitable<lane*> {
  for (;;) {
    if (stopped()) co_return nullptr;
    const auto free = std::ranges::find(lanes_, false, &lane::busy);
    if (free != lanes_.end()) {
      free->busy = true;
      co_return &*free;
    }
    co_await changed_.wait();
  }
}

/// `count` frames more than there are.
auto zstd_sink::claim_frames(std::uint64_t count) -> failure {
  if (count > seekable::most_frames - frames_) {
    return {from_errno(EFBIG), fmt::format("a seekable zstd stream has at most {} TiB",
                                           seekable::longest_stream >> 40)};
  }
  frames_ += static_cast<std::uint32_t>(count);
  return {};
}

/// Until there is memory for the content of the current frame, in which the zeroes are that it has.
auto zstd_sink::begin_data() -> awaitable<failure> {
  auto failed = stopped();
  if (failed || content_) co_return failed;
  content_ = co_await take_buffer();
  if (!content_) co_return stopped();
  std::memset(content_.get(), 0, filled_);
  co_return failed;
}

/// So many bytes were put behind what the frame has.
auto zstd_sink::added(std::size_t count) -> awaitable<failure> {
  filled_ += count;
  if (filled_ < frame_content) co_return failure{};
  co_return co_await end_frame();
}

/// Gives the current frame, which may be short, to a thread. State: content_ is there.
auto zstd_sink::end_frame() -> awaitable<failure> {
  auto failed = claim_frames(1);
  if (failed) co_return failed;
  auto into = std::make_shared<item>();
  into->frame = co_await take_buffer();
  if (!into->frame) co_return stopped();
  auto* const on = co_await take_lane();
  if (!on) co_return stopped();
  queue_.push_back(into);
  auto content = std::exchange(content_, nullptr);
  const auto size = std::exchange(filled_, 0);
  scope_.spawn(compress(*on, std::move(into), std::move(content), size));
  co_return failed;
}

awaitable<void> zstd_sink::compress(lane& on, std::shared_ptr<item> into, buffer content,
                                    std::size_t size) {
  // What it uses is its own: it may be left behind.
  io::worker::job job = [with = on.with, content, frame = into->frame, size]() -> std::int64_t {
    const std::span<const std::byte> all(content.get(), size);
    if (size == frame_content && seekable::is_zeroes(all)) return 0;
    return with->compress(all, std::span(frame.get(), frame_compressor::most_bytes(size)));
  };
  const auto result = co_await on.thread->run(std::move(job));
  if (on.thread->abandoned()) co_return;
  on.busy = false;
  free_buffers_.push_back(std::move(content));
  if (result < 0) {
    const auto error = from_errno(static_cast<int>(-result));
    fail({error, "the stream cannot be compressed: " + error.message()});
  } else if (result == 0) {
    into->zero_frames = 1;
  } else {
    into->size = static_cast<std::size_t>(result);
  }
  changed_.notify_all();
}

auto zstd_sink::write(std::span<const std::byte> data) -> awaitable<failure> {
  const under_way busy(working_, changed_);
  while (!data.empty()) {
    auto failed = co_await begin_data();
    if (failed) co_return failed;
    const auto piece = data.first(std::min(data.size(), frame_content - filled_));
    std::memcpy(content_.get() + filled_, piece.data(), piece.size());
    data = data.subspan(piece.size());
    failed = co_await added(piece.size());
    if (failed) co_return failed;
  }
  co_return stopped();
}

auto zstd_sink::write_zeroes(std::uint64_t count) -> awaitable<failure> {
  const under_way busy(working_, changed_);
  if (content_) {
    const auto piece = std::min<std::uint64_t>(count, frame_content - filled_);
    std::memset(content_.get() + filled_, 0, piece);
    count -= piece;
    auto failed = co_await added(piece);
    if (failed) co_return failed;
  }
  if (count > 0) {
    // The current frame has nothing but zeroes.
    const auto zeroes = filled_ + count;
    auto failed = add_zero_frames(zeroes / frame_content);
    if (failed) co_return failed;
    filled_ = zeroes % frame_content;
  }
  co_return stopped();
}

/// Those that come one after the other are one item, however many they are.
auto zstd_sink::add_zero_frames(std::uint64_t count) -> failure {
  if (count == 0) return {};
  auto failed = claim_frames(count);
  if (failed) return failed;
  if (queue_.empty() || queue_.back()->frame) queue_.push_back(std::make_shared<item>());
  queue_.back()->zero_frames += static_cast<std::uint32_t>(count);
  changed_.notify_all();
  return {};
}

auto zstd_sink::write_file(int from, std::uint64_t offset, std::uint64_t count)
    -> awaitable<failure> {
  const under_way busy(working_, changed_);
  while (count > 0) {
    auto failed = co_await begin_data();
    if (failed) co_return failed;
    const auto size = std::min<std::uint64_t>(count, frame_content - filled_);
    io::worker::job job = [content = content_, at = filled_, from, offset, size] {
      return io::read_at(from, offset, std::span(content.get() + at, size));
    };
    const auto result = co_await file_reader_.run(std::move(job));
    if (result < 0) {
      const auto error = from_errno(static_cast<int>(-result));
      co_return failure{error, error.message()};
    }
    offset += size;
    count -= size;
    failed = co_await added(size);
    if (failed) co_return failed;
  }
  co_return stopped();
}

awaitable<io::splice_result> zstd_sink::splice(int, std::uint64_t) {
  io::splice_result did;
  did.unsupported = true;
  co_return did;
}

auto zstd_sink::wait_until_taken() -> awaitable<failure> {
  const under_way busy(working_, changed_);
  auto failed = co_await wait_until_handed_on();
  if (!failed) failed = co_await to_->wait_until_taken();
  co_return failed;
}

auto zstd_sink::flush() -> awaitable<failure> {
  if (!to_->flushes()) co_return stopped();
  const under_way busy(working_, changed_);
  auto failed = co_await wait_until_handed_on();
  if (!failed) failed = co_await to_->flush();
  co_return failed;
}

auto zstd_sink::commit(std::uint64_t) -> awaitable<failure> {
  const under_way busy(working_, changed_);
  failure failed;
  const auto last = filled_;
  if (last > 0) failed = co_await begin_data();
  if (last > 0 && !failed) failed = co_await end_frame();
  if (!failed) failed = co_await wait_until_handed_on();
  if (!failed) {
    if (last > 0) table_.last_is_short(static_cast<std::uint32_t>(last));
    failed = co_await write_table();
  }
  if (!failed) failed = co_await to_->commit(written_);
  if (failed) co_return failed;
  cancelled_ = false;  // that came too late
  co_await end_work();
  co_return failed;
}

void zstd_sink::cancel() {
  cancelled_ = true;
  changed_.notify_all();
  to_->cancel();
}

awaitable<void> zstd_sink::abort() {
  cancel();
  while (working_ || handing_on_) co_await changed_.wait();
  aborting_ = true;
  co_await to_->abort();
  co_await end_work();
  aborting_ = false;
  cancelled_ = false;
}

/// Nothing of the stream stays, but how long it became.
awaitable<void> zstd_sink::end_work() {
  closing_ = true;
  changed_.notify_all();
  const auto until = io::clock::now() + thread_end_time;
  while (std::ranges::any_of(lanes_, &lane::busy) && io::clock::now() < until) {
    co_await changed_.wait_with_second_look(until);
  }
  for (auto& l : lanes_) {
    if (l.busy) l.thread->abandon();
  }
  co_await scope_.join();
  lanes_.clear();
  free_buffers_.clear();
  buffers_ = 0;
  content_.reset();
  filled_ = 0;
  frames_ = 0;
  queue_.clear();
  zero_frames_.clear();
  zero_frames_.shrink_to_fit();
  table_ = {};
  failure_ = {};
  closing_ = false;
}

}  // namespace nbdstream::stage
