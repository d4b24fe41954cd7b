// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_ZSTD_SOURCE_HPP
#define NBDSTREAM_SOURCE_ZSTD_SOURCE_HPP

#include "seekable/table.hpp"
#include "source/frame_cache.hpp"
#include "source/source.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace nbdstream::source {

/// What was compressed in zstd's seekable format: a read decompresses the frames that it touches,
/// and nothing else. A frame that is corrupt fails the reads that touch it, with EIO.
class zstd_source final : public source {
 public:
  /// `from` is the compressed bytes. Throws config::error where it has no seek table, or one that
  /// is wrong.
  zstd_source(std::shared_ptr<source> from, std::shared_ptr<frame_cache> cache);

  [[nodiscard]] const std::string& name() const noexcept override { return from_->name(); }
  [[nodiscard]] std::uint64_t size() const noexcept override { return table_.size(); }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override;
  /// Frames of nothing but zeroes are holes.
  [[nodiscard]] failure look(std::uint64_t offset, std::uint64_t until, extent& found) override;
  void interrupt() noexcept override { from_->interrupt(); }

 private:
  using bytes = std::vector<std::byte>;
  enum class verdict : std::uint8_t { unknown, zeroes, data, corrupt };

  [[nodiscard]] verdict verdict_on(std::size_t index) const noexcept;
  [[nodiscard]] failure load(std::size_t index, const bytes* compressed, bytes& into);
  [[nodiscard]] failure corrupt(std::size_t index, const std::string& why);
  [[nodiscard]] failure get(std::size_t index, const bytes* compressed,
                            frame_cache::bytes& content);
  [[nodiscard]] failure judge(std::size_t index, verdict& found);
  [[nodiscard]] std::size_t last_of_zeroes(std::size_t index, std::uint64_t until);
  [[nodiscard]] bool learn_of_alike(std::size_t index, std::uint64_t until);

  std::shared_ptr<source> from_;
  seekable::table table_;
  std::shared_ptr<frame_cache> cache_;
  std::uint64_t number_;                        ///< in the cache
  std::vector<std::atomic<verdict>> verdicts_;  ///< of each frame
  std::mutex mutex_;                            ///< for what follows
  /// Short frames, by their size of content and compressed: whether they are of zeroes.
  std::map<std::pair<std::uint32_t, bytes>, bool> seen_;
  std::map<std::size_t, failure> corrupt_;  ///< of some frames, why
};

}  // namespace nbdstream::source
#endif
