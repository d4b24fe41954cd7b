// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_FILLING_HPP
#define NBDSTREAM_SINKS_S3_FILLING_HPP

#include <cstdint>
#include <memory>
#include <span>

#include "buffers.hpp"
#include "job.hpp"

namespace nbdstream::s3 {

/// The part that is being filled. Zeroes alone take no memory, whatever their number.
class filling {
 public:
  filling() = default;
  explicit filling(std::size_t size) : size_(size) {}

  [[nodiscard]] bool full() const noexcept { return used_ == size_; }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

  /// How many bytes it has taken; 0: none, as no buffer is to be had now. `most`: buffers at a
  /// time.
  std::size_t write(std::span<const std::byte> data, buffer_pool& pool, std::size_t most);
  std::size_t zero(std::uint64_t count) noexcept;

  /// What is in it; then it is of no size.
  payload take();

 private:
  std::size_t size_ = 0;
  std::size_t used_ = 0;
  std::shared_ptr<buffer> buffer_;  ///< none: only zeroes so far
};

}  // namespace nbdstream::s3
#endif
