// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_FRAME_CACHE_HPP
#define NBDSTREAM_SOURCE_FRAME_CACHE_HPP

#include "source/source.hpp"

#include <atomic>
#include <compare>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace nbdstream::source {

/// The contents of frames that were used last, of as many sources as share it. Threads that want
/// the same frame at a time wait for the one that came first.
class frame_cache {
 public:
  using bytes = std::shared_ptr<const std::vector<std::byte>>;
  using load = std::function<failure(std::vector<std::byte>& into)>;
  struct key {
    std::uint64_t source = 0;  ///< by add_source()
    std::size_t index = 0;     ///< of the frame in it
    auto operator<=>(const key&) const = default;
  };

  /// It keeps at most so many frames, and so many bytes; but one frame, whatever its size.
  frame_cache(std::size_t most_frames, std::size_t most_bytes) noexcept
      : most_frames_(most_frames), most_bytes_(most_bytes) {}

  /// The number of one more source. No other one ever has it.
  [[nodiscard]] std::uint64_t add_source() noexcept { return sources_++; }
  /// The content of a frame, which `how` loads where it is not there. A failure is not kept.
  [[nodiscard]] failure get(const key& of, const load& how, bytes& found);

 private:
  struct entry {
    bytes content;  ///< none while it is loaded
    std::list<key>::iterator place;
  };
  void make_room();

  std::mutex mutex_;
  std::condition_variable loaded_;
  std::atomic<std::uint64_t> sources_ = 0;
  std::size_t most_frames_;
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::map<key, entry> entries_;
  std::list<key> by_use_;  ///< those with content, the one that was used last in front
};

}  // namespace nbdstream::source
#endif
