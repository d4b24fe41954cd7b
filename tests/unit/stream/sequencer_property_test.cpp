// SPDX-License-Identifier: BSD-3-Clause
//
// Random requests against a plain array: the bytes that the placements imply are the array's.
#include "stream/sequencer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace nbdstream::stream {
namespace {

constexpr std::uint64_t sector = 512;

class model {
 public:
  explicit model(unsigned seed) : random_(seed) {
    if (random_() % 2) size_ = random_() % 5000;
    pad_ = random_() % 2;
    sequencer_ = sequencer({size_, 20'000});
    end_ = size_ ? (*size_ + sector - 1) / sector * sector : 20'000;
  }

  void play() {
    for (auto left = random_() % 40; left > 0; --left) step();
    stream_.append(sequencer_.finish(pad_), '\0');
    const auto length = size_ && pad_ ? *size_ : std::min(named_to_, size_.value_or(named_to_));
    array_.resize(length);
    EXPECT_EQ(sequencer_.cursor(), length);
    EXPECT_TRUE(stream_ == array_);
    const auto all = size_.value_or(length);
    covered_.resize(all, false);
    const auto missing = std::count(covered_.begin(), covered_.end(), false);
    EXPECT_EQ(sequencer_.unnamed().missing_bytes(), static_cast<std::uint64_t>(missing));
  }

 private:
  void step() {
    // Mostly in order, sometimes with a gap, sometimes behind.
    auto offset = named_to_;
    if (random_() % 4 == 0) offset += random_() % 300;
    if (random_() % 8 == 0) offset -= std::min<std::uint64_t>(offset, random_() % 300);
    const std::uint64_t length = 1 + random_() % 600;
    if (offset > end_ || length > end_ - offset) return;
    const auto kind = random_() % 3;
    const auto r = kind == 0   ? sequencer_.write(offset, length)
                   : kind == 1 ? sequencer_.write_zeroes(offset, length)
                               : sequencer_.trim(offset, length);
    const auto cursor = stream_.size();
    ASSERT_EQ(r.has_error(), kind != 2 && offset < cursor);
    if (!r) return;
    const char fill = kind == 0 ? static_cast<char>(1 + random_() % 255) : '\0';
    EXPECT_EQ(r->payload + r->excess, kind == 0 ? length : 0);
    stream_.append(r->zeroes, '\0').append(r->payload, fill);
    EXPECT_EQ(stream_.size(), sequencer_.cursor());
    name(offset, length, cursor, fill);
  }

  void name(std::uint64_t offset, std::uint64_t length, std::uint64_t cursor, char fill) {
    const auto begin = std::max<std::uint64_t>(offset, cursor);
    if (offset + length <= begin) return;
    array_.resize(std::max<std::size_t>(array_.size(), offset + length), '\0');
    covered_.resize(array_.size(), false);
    for (auto at = begin; at < offset + length; ++at) {
      array_[at] = fill;
      covered_[at] = true;
    }
    named_to_ = std::max(named_to_, std::min(offset + length, size_.value_or(end_)));
  }

  std::mt19937 random_;
  std::optional<std::uint64_t> size_;
  bool pad_ = true;
  std::uint64_t end_ = 0;
  sequencer sequencer_{{std::nullopt, 0}};
  std::uint64_t named_to_ = 0;
  std::string array_;          ///< what was meant
  std::vector<bool> covered_;  ///< what was named
  std::string stream_;         ///< what the placements say
};

TEST(SequencerProperty, TheStreamEqualsThePlainArray) {
  unsigned seed = std::random_device{}();
  std::printf("first seed %u\n", seed);
  for (int round = 0; round < 2000; ++round, ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    model(seed).play();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace nbdstream::stream
