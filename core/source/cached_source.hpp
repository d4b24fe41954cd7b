// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_CACHED_SOURCE_HPP
#define NBDSTREAM_SOURCE_CACHED_SOURCE_HPP

#include "source/frame_cache.hpp"
#include "source/source.hpp"

#include <cstddef>
#include <memory>

namespace nbdstream::source {

/// A source each read of which costs a journey: short reads are served from blocks that are kept.
class cached_source final : public source {
 public:
  /// `block`: bytes; a read of so many goes to `from` as it is.
  cached_source(std::shared_ptr<source> from, std::size_t block,
                std::shared_ptr<frame_cache> cache);

  [[nodiscard]] const std::string& name() const noexcept override { return from_->name(); }
  [[nodiscard]] std::uint64_t size() const noexcept override { return from_->size(); }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override;
  [[nodiscard]] failure look(std::uint64_t offset, std::uint64_t until, extent& found) override {
    return from_->look(offset, until, found);
  }
  void interrupt() noexcept override { from_->interrupt(); }

 private:
  std::shared_ptr<source> from_;
  std::size_t block_;
  std::shared_ptr<frame_cache> cache_;
  std::uint64_t number_;  ///< in the cache
};

}  // namespace nbdstream::source
#endif
