// SPDX-License-Identifier: BSD-3-Clause
#include "source/frame_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <semaphore>
#include <stdexcept>
#include <thread>

namespace nbdstream::source {
namespace {

class FrameCache : public ::testing::Test {
 protected:
  /// Its first byte; -1: it could not be loaded.
  int get(std::size_t index) {
    frame_cache::bytes found;
    const auto failed = cache_.get(
        {0, index},
        [&](std::vector<std::byte>& into) {
          ++loads_;
          into.assign(10, static_cast<std::byte>(index));
          return failure{};
        },
        found);
    return failed ? -1 : static_cast<int>(found->front());
  }

  frame_cache cache_{3, 1000};
  std::atomic<int> loads_ = 0;
};

TEST_F(FrameCache, LoadsAFrameOnce) {
  EXPECT_EQ(get(1), 1);
  EXPECT_EQ(get(1), 1);
  EXPECT_EQ(loads_, 1);
}

TEST_F(FrameCache, ForgetsTheFrameThatWasUsedLongestAgo) {
  for (const std::size_t index : {1, 2, 3, 1, 4}) get(index);
  EXPECT_EQ(loads_, 4);
  get(1);
  get(3);
  EXPECT_EQ(loads_, 4);
  get(2);
  EXPECT_EQ(loads_, 5);
}

TEST_F(FrameCache, KeepsNoMoreBytesThanItMay) {
  frame_cache small(3, 15);
  int loads = 0;
  const auto load = [&](std::vector<std::byte>& into) {
    ++loads;
    into.resize(10);
    return failure{};
  };
  frame_cache::bytes found;
  for (const std::size_t index : {1, 2, 1}) EXPECT_FALSE(small.get({0, index}, load, found));
  EXPECT_EQ(loads, 3);
}

TEST_F(FrameCache, KeepsSourcesApart) {
  frame_cache::bytes found;
  for (const char mark : {'a', 'b', 'a', 'b'}) {
    const frame_cache::key key{static_cast<std::uint64_t>(mark), 5};
    const auto load = [&](std::vector<std::byte>& into) {
      ++loads_;
      into.assign(1, static_cast<std::byte>(mark));
      return failure{};
    };
    EXPECT_FALSE(cache_.get(key, load, found));
    EXPECT_EQ(found->front(), static_cast<std::byte>(mark));
  }
  EXPECT_EQ(loads_, 2);
  EXPECT_NE(cache_.add_source(), cache_.add_source());
}

TEST_F(FrameCache, DoesNotRememberAFailure) {
  frame_cache::bytes found;
  const auto failed = cache_.get(
      {0, 7},
      [](auto&) {
        return failure{EIO, "no"};
      },
      found);
  EXPECT_EQ(failed.error_number, EIO);
  EXPECT_THROW((void)cache_.get(
                   {0, 7}, [](auto&) -> failure { throw std::runtime_error("no memory"); }, found),
               std::runtime_error);
  EXPECT_EQ(get(7), 7);
}

TEST_F(FrameCache, LetsThreadsThatWantTheSameFrameWaitForOne) {
  std::binary_semaphore loading(0);
  std::binary_semaphore go_on(0);
  frame_cache::bytes first;
  std::thread loader([&] {
    (void)cache_.get(
        {0, 5},
        [&](std::vector<std::byte>& into) {
          ++loads_;
          loading.release();
          go_on.acquire();
          into.assign(1, std::byte{5});
          return failure{};
        },
        first);
  });
  loading.acquire();
  std::thread second([&] { EXPECT_EQ(get(5), 5); });
  EXPECT_EQ(get(6), 6);  // another one is not held up
  go_on.release();
  loader.join();
  second.join();
  EXPECT_EQ(loads_, 2);
}

}  // namespace
}  // namespace nbdstream::source
