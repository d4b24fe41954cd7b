// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_FRAME_CACHE_HPP
#define NBDSTREAM_SOURCE_FRAME_CACHE_HPP

#include "source/source.hpp"

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace nbdstream::source {

/// The contents of frames that were used last. Threads that want the same frame at a time wait for
/// the one that came first.
class frame_cache {
 public:
  using bytes = std::shared_ptr<const std::vector<std::byte>>;
  using load = std::function<failure(std::vector<std::byte>& into)>;

  /// It keeps at most so many frames, and so many bytes; but one frame, whatever its size.
  frame_cache(std::size_t most_frames, std::size_t most_bytes) noexcept
      : most_frames_(most_frames), most_bytes_(most_bytes) {}

  /// Whether the content of frame `index` is there.
  [[nodiscard]] bool has(std::size_t index) const;
  /// The content of frame `index`, which `how` loads where it is not there. A failure is not kept.
  [[nodiscard]] failure get(std::size_t index, const load& how, bytes& found);

 private:
  struct entry {
    bytes content;  ///< none while it is loaded
    std::list<std::size_t>::iterator place;
  };
  void make_room();

  mutable std::mutex mutex_;
  std::condition_variable loaded_;
  std::size_t most_frames_;
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::size_t, entry> entries_;
  std::list<std::size_t> by_use_;  ///< those with content, the one that was used last in front
};

}  // namespace nbdstream::source
#endif
