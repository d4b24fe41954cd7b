// SPDX-License-Identifier: BSD-3-Clause
//
// The memory for payload that is ahead of the stream: `--window`.
#ifndef NBDSTREAM_STREAM_WINDOW_HPP
#define NBDSTREAM_STREAM_WINDOW_HPP

#include "stream/frame_store.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace nbdstream::stream {

class window;

/// The payload of one write, in memory until the last extent that refers to it is gone, and counted
/// against its window: whole frames, and behind this object what is less than one. One thread.
class block {
 public:
  block(const block&) = delete;
  block& operator=(const block&) = delete;

  /// Where in the stream its first byte stands, and where it ends.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return offset_ + size_; }
  /// The bytes from `begin` of the stream on, up to `end` or to where they go on elsewhere in
  /// memory. State: begin < end, and both lie within the block.
  [[nodiscard]] std::span<std::byte> piece(std::uint64_t begin, std::uint64_t end) noexcept;

 private:
  friend class window;
  friend void intrusive_ptr_add_ref(block* b) noexcept { ++b->references_; }
  friend void intrusive_ptr_release(block* b) noexcept;

  block(window& of, std::uint64_t offset, std::size_t size) noexcept
      : of_(of), offset_(offset), size_(size) {}

  [[nodiscard]] static std::size_t frames_of(std::uint64_t size) noexcept {
    return size / frame_store::frame_size;
  }
  /// Where its frames are, and then where the rest is.
  [[nodiscard]] std::byte** parts() noexcept { return reinterpret_cast<std::byte**>(this + 1); }

  window& of_;
  std::uint64_t offset_;
  std::size_t size_;
  std::uint64_t references_ = 0;
};

using block_ptr = boost::intrusive_ptr<block>;

/// Counts what is held in memory against a limit. Outlives its blocks.
class window {
 public:
  /// What a held write costs besides its bytes: the block's head, its extent, and what the
  /// allocator adds to both; and an answer that is put off.
  static constexpr std::uint64_t overhead = 192;  // bytes

  explicit window(std::uint64_t limit) noexcept : limit_(limit) {}
  window(const window&) = delete;
  window& operator=(const window&) = delete;

  [[nodiscard]] bool fits(std::uint64_t length) const noexcept {
    return used_ <= limit_ && length <= limit_ - used_ && overhead <= limit_ - used_ - length;
  }
  /// Uninitialized memory for [offset, offset + length). State: fits(length). Throws
  /// std::bad_alloc.
  [[nodiscard]] block_ptr allocate(std::uint64_t offset, std::uint64_t length);

  /// Keeps no free memory from now on: all that is free goes back to the system, and what comes
  /// free later does at once.
  void keep_none() noexcept;

  /// More than half of it is used: who fills it further waits for the answer.
  [[nodiscard]] bool more_than_half() const noexcept { return used_ > limit_ / 2; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
  /// Free memory that is kept for what comes next, in bytes: with used() no more than the limit.
  [[nodiscard]] std::uint64_t idle() const noexcept { return frames_.idle(); }
  /// The most that was ever used, in bytes.
  [[nodiscard]] std::uint64_t peak() const noexcept { return peak_; }

 private:
  friend void intrusive_ptr_release(block* b) noexcept;
  void release(block* b) noexcept;

  frame_store frames_;
  std::uint64_t limit_;
  std::uint64_t used_ = 0;
  std::uint64_t peak_ = 0;
  bool keeps_frames_ = true;
};

inline void intrusive_ptr_release(block* b) noexcept {
  if (--b->references_ == 0) b->of_.release(b);
}

}  // namespace nbdstream::stream
#endif
