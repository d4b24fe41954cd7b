// SPDX-License-Identifier: BSD-3-Clause
//
// Compressed frames on their way to the next sink, in their order; and the seek table behind them.
#include "stage/frame_compressor.hpp"
#include "stage/zstd_sink.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace nbdstream::stage {
namespace {

using seekable::frame_content;

constexpr std::size_t batch_size = 256 << 10;  // bytes of zero frames, or of the table

/// Of a level that is fast: a frame of zeroes is as short with any.
constexpr int zero_level = 1;

/// One frame of zeroes, compressed.
std::vector<std::byte> zero_frame() {
  const std::vector<std::byte> zeroes(frame_content);
  std::vector<std::byte> frame(frame_compressor::most_bytes(frame_content));
  frame_compressor with(zero_level);
  const auto size = with.compress(zeroes, frame);
  if (size < 0) throw std::bad_alloc();
  frame.resize(static_cast<std::size_t>(size));
  return frame;
}

std::vector<std::byte> several(const std::vector<std::byte>& frame) {
  std::vector<std::byte> all;
  all.reserve(batch_size);
  while (all.size() + frame.size() <= batch_size) all.insert(all.end(), frame.begin(), frame.end());
  return all;
}

}  // namespace

auto zstd_sink::pass(std::span<const std::byte> data) -> awaitable<failure> {
  auto failed = co_await to_->write(data);
  if (!failed) written_ += data.size();
  co_return failed;
}

/// Beside the operations, until closing_.
awaitable<void> zstd_sink::hand_on() {
  const under_way busy(handing_on_, changed_);
  while (!closing_ && !stopped()) {
    const bool waits =
        queue_.empty() || (queue_.front()->size == 0 && queue_.front()->zero_frames == 0);
    if (waits) {
      co_await changed_.wait();
      continue;
    }
    const auto next = queue_.front();
    auto failed = co_await send(*next);
    if (failed) {
      fail(std::move(failed));
      break;
    }
    // Meanwhile there may be more zeroes in it.
    if (next->zero_frames > 0) continue;
    if (next->frame) free_buffers_.push_back(std::move(next->frame));
    queue_.pop_front();
    changed_.notify_all();
  }
}

/// The next sink gets a frame, or some of the zero frames, which are taken from the item.
auto zstd_sink::send(item& next) -> awaitable<failure> {
  if (next.zero_frames == 0) {
    const std::span<const std::byte> frame(next.frame.get(), next.size);
    auto failed = co_await pass(frame);
    if (!failed) table_.add(static_cast<std::uint32_t>(next.size));
    co_return failed;
  }
  if (zero_frames_.empty()) {
    const auto one = zero_frame();
    zero_frame_size_ = one.size();
    zero_frames_ = several(one);
  }
  const auto most = zero_frames_.size() / zero_frame_size_;
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(next.zero_frames, most));
  const auto frames = std::span<const std::byte>(zero_frames_).first(count * zero_frame_size_);
  auto failed = co_await pass(frames);
  if (failed) co_return failed;
  table_.add(static_cast<std::uint32_t>(zero_frame_size_), count);
  next.zero_frames -= count;
  co_return failed;
}

auto zstd_sink::wait_until_handed_on() -> awaitable<failure> {
  for (;;) {
    auto failed = stopped();
    if (failed || queue_.empty()) co_return failed;
    co_await changed_.wait();
  }
}

auto zstd_sink::write_table() -> awaitable<failure> {
  std::vector<std::byte> piece(batch_size);
  for (;;) {
    const auto size = table_.take(piece);
    if (size == 0) co_return failure{};
    const auto data = std::span<const std::byte>(piece).first(size);
    auto failed = co_await pass(data);
    if (failed) co_return failed;
  }
}

}  // namespace nbdstream::stage
