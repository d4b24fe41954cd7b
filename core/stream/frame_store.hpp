// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STREAM_FRAME_STORE_HPP
#define NBDSTREAM_STREAM_FRAME_STORE_HPP

#include <cstddef>
#include <vector>

namespace nbdstream::stream {

/// Memory in frames of one size, for the payload of one stream. A frame that is free is used again:
/// the system has to clear each page that it gives, which takes as long as to fill it. All goes
/// back to the system with the store. One thread.
///
/// Huge pages are not asked for: to touch 2 GiB took 1.1 to 5.4 s with them, 0.8 to 1.0 s without,
/// since the system clears 2 MiB at a fault, and compacts memory to have them.
class frame_store {
 public:
  static constexpr std::size_t frame_size = 64 << 10;  // bytes

  frame_store() = default;
  ~frame_store();
  frame_store(const frame_store&) = delete;
  frame_store& operator=(const frame_store&) = delete;

  /// A frame, uninitialized, and aligned to a page. Often the one behind the last one. Throws
  /// std::bad_alloc.
  [[nodiscard]] std::byte* take();
  /// A frame of take() is free again. The last one that was put back is taken first.
  void put_back(std::byte* frame) noexcept;

  /// Bytes of free frames that have memory.
  [[nodiscard]] std::size_t idle() const noexcept { return idle_.size() * frame_size; }
  /// Gives back to the system what idle() has more than `most` bytes, in whole frames.
  void limit_idle(std::size_t most) noexcept;

 private:
  void map_region();

  std::vector<std::byte*> regions_;
  std::byte* unused_ = nullptr;  ///< the first frame of the last region that was never taken
  std::byte* end_ = nullptr;     ///< of that region
  std::vector<std::byte*> idle_;
  std::vector<std::byte*> without_memory_;
};

}  // namespace nbdstream::stream
#endif
