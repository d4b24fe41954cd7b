// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SEEKABLE_TABLE_BUILDER_HPP
#define NBDSTREAM_SEEKABLE_TABLE_BUILDER_HPP

#include "seekable/format.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nbdstream::seekable {

/// Gathers the frames of a stream, and makes the seek table of them. Each frame has frame_content
/// bytes of content, but the last one may have fewer. Frames in a row that are equally long, as the
/// zero frames of a hole are, cost 8 bytes of memory together.
class table_builder {
 public:
  /// `count` frames more, each of so many bytes compressed. State: frames() + count <= most_frames,
  /// and the last one was not short.
  void add(std::uint32_t compressed, std::uint32_t count = 1);
  /// The last frame has `content` bytes (1 or more). State: there is one.
  void last_is_short(std::uint32_t content) noexcept { last_content_ = content; }

  [[nodiscard]] std::uint32_t frames() const noexcept { return frames_; }

  /// The table's skippable frame, in pieces: fills `into`, of 64 bytes or more, with those bytes of
  /// it that come next, and returns how many; 0: that was all. Nothing is added any more.
  [[nodiscard]] std::size_t take(std::span<std::byte> into);

 private:
  struct run {
    std::uint32_t compressed;
    std::uint32_t count;
  };
  std::vector<run> runs_;
  std::uint32_t frames_ = 0;
  std::uint32_t last_content_ = frame_content;

  // What was taken.
  bool began_ = false;
  bool ended_ = false;
  std::size_t run_ = 0;       ///< the current one, of which
  std::uint32_t in_run_ = 0;  ///< so many entries were taken,
  std::uint32_t taken_ = 0;   ///< of so many in all
};

}  // namespace nbdstream::seekable
#endif
