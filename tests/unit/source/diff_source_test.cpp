// SPDX-License-Identifier: BSD-3-Clause
#include "source/diff_source.hpp"

#include "restore/failure.hpp"
#include "source/zstd_source.hpp"
#include "support/diff_stream.hpp"
#include "unit/source/sources.hpp"

namespace nbdstream::source {
namespace {

using nbdstream::test::random_diff;
using test::in_memory;

std::shared_ptr<source> plain(const std::string& bytes) {
  return std::make_shared<in_memory>(bytes);
}

TEST(DiffSource, ReadsEachRangeAsTheLastDiskHasIt) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    std::mt19937 random(seed);
    const auto full = random_diff(random, "", 90'000, {}, "a", 20);
    const auto next = random_diff(random, full.disk(), 90'000, "a", "b", 20);
    diff_source from({plain(full.whole()), plain(next.whole())});
    test::expect_disk(from, next.disk());
  }
}

TEST(DiffSource, TakesDiffsThatAreCompressed) {
  std::mt19937 random(9);
  const auto full = random_diff(random, "", 90'000, {}, "a", 20);
  const auto next = random_diff(random, full.disk(), 90'000, "a", "b", 20);
  diff_source from(
      {std::make_shared<zstd_source>(plain(test::seekable_file(full.whole())), test::a_cache()),
       plain(next.whole())});
  test::expect_disk(from, next.disk());
}

TEST(DiffSource, RefusesOneThatWasCutShort) {
  std::mt19937 random(2);
  const auto full = random_diff(random, "", 9'000, {}, "a", 3);
  EXPECT_THROW(diff_source({plain(full.unfinished())}), restore::failure);
  const auto whole = full.whole();
  EXPECT_THROW(diff_source({plain(whole.substr(0, whole.size() / 2))}), restore::failure);
}

TEST(DiffSource, RefusesAChainThatBeginsFromASnapshot) {
  std::mt19937 random(2);
  const auto next = random_diff(random, std::string(9'000, 'x'), 9'000, "a", "b", 3);
  EXPECT_THROW(diff_source({plain(next.whole())}), restore::failure);
}

}  // namespace
}  // namespace nbdstream::source
