// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_DIFF_SOURCE_HPP
#define NBDSTREAM_SOURCE_DIFF_SOURCE_HPP

#include "restore/scan.hpp"
#include "source/source.hpp"

#include <memory>
#include <vector>

namespace nbdstream::source {

/// The disk that a chain of rbd diffs makes, the first of which is a full one. What no record names
/// is a hole. Its memory grows with the number of records, not with their lengths.
class diff_source final : public source {
 public:
  /// Reads all of them, passing over the data. Throws restore::failure where they are not whole, or
  /// are no chain.
  explicit diff_source(std::vector<std::shared_ptr<source>> diffs);

  /// Of the last one.
  [[nodiscard]] const std::string& name() const noexcept override { return diffs_.back()->name(); }
  [[nodiscard]] std::uint64_t size() const noexcept override { return chain_.diffs.size(); }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override;
  [[nodiscard]] failure look(std::uint64_t offset, std::uint64_t until, extent& found) override;
  void interrupt() noexcept override {
    for (const auto& d : diffs_) d->interrupt();
  }

 private:
  /// What stands at `offset`, up to `until` or where something else begins.
  [[nodiscard]] restore::extent_index::extent at(std::uint64_t offset, std::uint64_t until,
                                                 content& what) const;

  std::vector<std::shared_ptr<source>> diffs_;
  restore::scanned chain_;
};

}  // namespace nbdstream::source
#endif
