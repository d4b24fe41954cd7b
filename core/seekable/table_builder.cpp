// SPDX-License-Identifier: BSD-3-Clause
#include "seekable/table_builder.hpp"

#include <boost/endian/conversion.hpp>

namespace nbdstream::seekable {
namespace {

/// Puts numbers one behind the other.
class filler {
 public:
  explicit filler(std::span<std::byte> into) noexcept : into_(into) {}

  [[nodiscard]] bool fits(std::size_t count) const noexcept {
    return into_.size() - used_ >= count;
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

  void put(std::uint32_t number) noexcept {
    auto* const to = reinterpret_cast<unsigned char*>(into_.data() + used_);
    boost::endian::store_little_u32(to, number);
    used_ += sizeof number;
  }
  void put(std::byte b) noexcept { into_[used_++] = b; }

 private:
  std::span<std::byte> into_;
  std::size_t used_ = 0;
};

constexpr std::byte no_checksums{0};  // the frames have their own

}  // namespace

void table_builder::add(std::uint32_t compressed, std::uint32_t count) {
  frames_ += count;
  if (!runs_.empty() && runs_.back().compressed == compressed) {
    runs_.back().count += count;
  } else {
    runs_.push_back({compressed, count});
  }
}

std::size_t table_builder::take(std::span<std::byte> into) {
  filler out(into);
  if (!began_) {
    began_ = true;
    out.put(table_magic);
    out.put(static_cast<std::uint32_t>(std::uint64_t{frames_} * entry_size + footer_size));
  }
  for (; run_ < runs_.size() && out.fits(entry_size); ++taken_) {
    out.put(runs_[run_].compressed);
    out.put(taken_ + 1 == frames_ ? last_content_ : frame_content);
    if (++in_run_ < runs_[run_].count) continue;
    ++run_;
    in_run_ = 0;
  }
  if (run_ == runs_.size() && !ended_ && out.fits(footer_size)) {
    ended_ = true;
    out.put(frames_);
    out.put(no_checksums);
    out.put(footer_magic);
  }
  return out.used();
}

}  // namespace nbdstream::seekable
