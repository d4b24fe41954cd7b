// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_OBJECT_READER_HPP
#define NBDSTREAM_SINKS_S3_OBJECT_READER_HPP

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "client.hpp"

namespace nbdstream::s3 {

/// Reads one object by ranges, each with a request of its own. An object that replaces it is never
/// taken for it. For any number of threads, which wait where all connections are in use.
class object_reader {
 public:
  /// Looks at the object. Throws sink_error where there is none that can be read.
  object_reader(settings s, log_function log);
  ~object_reader();
  object_reader(const object_reader&) = delete;
  object_reader& operator=(const object_reader&) = delete;

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Throws sink_error where not all of it comes, also after attempts for as long as retry-timeout
  /// allows.
  void read(std::uint64_t offset, std::span<std::byte> into);

  /// Makes every read fail soon, those that come later too.
  void interrupt() noexcept;

 private:
  class connection;
  class lent;

  [[nodiscard]] job make(operation what) const;
  [[nodiscard]] outcome run(const job& j);

  client client_;
  std::shared_ptr<const object> target_;
  std::string etag_;
  std::uint64_t size_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<connection>> all_;
  std::vector<connection*> free_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace nbdstream::s3
#endif
