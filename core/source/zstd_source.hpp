// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_ZSTD_SOURCE_HPP
#define NBDSTREAM_SOURCE_ZSTD_SOURCE_HPP

#include "seekable/table.hpp"
#include "source/frame_cache.hpp"
#include "source/source.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace nbdstream::source {

/// What was compressed in zstd's seekable format: a read decompresses the frames that it touches,
/// and nothing else. A frame that is corrupt fails the reads that touch it, with EIO.
class zstd_source final : public source {
 public:
  /// `from` is the compressed bytes. Throws config::error where it has no seek table, or one that
  /// is wrong.
  explicit zstd_source(std::shared_ptr<source> from);

  [[nodiscard]] const std::string& name() const noexcept override { return from_->name(); }
  [[nodiscard]] std::uint64_t size() const noexcept override { return table_.size(); }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override;
  /// Frames of nothing but zeroes are holes.
  [[nodiscard]] failure look(std::uint64_t offset, std::uint64_t until, extent& found) override;
  void interrupt() noexcept override { from_->interrupt(); }

 private:
  using bytes = std::vector<std::byte>;
  [[nodiscard]] seekable::table read_table() const;
  [[nodiscard]] failure decompress(const seekable::frame& f, std::vector<std::byte>& into) const;
  [[nodiscard]] failure corrupt(const seekable::frame& f, const std::string& why) const;
  [[nodiscard]] failure is_zeroes(std::size_t index, bool& zeroes, bytes& compressed);
  [[nodiscard]] std::size_t last_like(std::size_t index, const bytes& compressed,
                                      std::uint64_t until) const;

  std::shared_ptr<source> from_;
  seekable::table table_;
  frame_cache cache_;
  std::mutex mutex_;
  std::map<bytes, bool> seen_;  ///< short frames, compressed: whether they are of zeroes
};

}  // namespace nbdstream::source
#endif
