// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_BUFFERS_HPP
#define NBDSTREAM_SINKS_S3_BUFFERS_HPP

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace nbdstream::s3 {

/// Memory of its own for a part. What was never written is zero, and takes no memory.
class buffer {
 public:
  /// Throws sink_error(ENOMEM).
  explicit buffer(std::size_t size);
  ~buffer();
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }

  void write(std::size_t offset, std::span<const std::byte> bytes) noexcept;
  void zero(std::size_t offset, std::size_t count) noexcept;

 private:
  std::byte* data_;
  std::size_t size_;
  std::size_t touched_ = 0;  ///< bytes; beyond them all are zero
};

/// Lends buffers, some at a time, and keeps those that come back for the next one. For any thread.
class buffer_pool : public std::enable_shared_from_this<buffer_pool> {
 public:
  /// None, where `most` are lent already. It comes back by itself. Throws sink_error(ENOMEM).
  std::shared_ptr<buffer> lend(std::size_t size, std::size_t most);

  /// Gives the system what nobody has borrowed.
  void give_back();

 private:
  void take_back(std::unique_ptr<buffer> one) noexcept;

  std::mutex mutex_;
  std::size_t lent_ = 0;
  std::vector<std::unique_ptr<buffer>> free_;
};

}  // namespace nbdstream::s3
#endif
