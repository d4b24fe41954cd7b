// SPDX-License-Identifier: BSD-3-Clause
#include "s3/filling.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nbdstream::s3 {
namespace {

constexpr std::size_t mib = 1 << 20;

class Filling : public testing::Test {
 protected:
  std::size_t write(filling& part, std::size_t count, char with = 'x', std::size_t most = 2) {
    const std::string text(count, with);
    return part.write(std::as_bytes(std::span(text)), *pool, most);
  }

  static std::string text_of(const payload& of) {
    if (of.zeroes()) return std::string(of.size, '\0');
    return {reinterpret_cast<const char*>(of.bytes.get()), of.size};
  }

  std::shared_ptr<buffer_pool> pool = std::make_shared<buffer_pool>();
};

TEST_F(Filling, TakesNoMoreThanItsSize) {
  filling part(10);
  EXPECT_EQ(write(part, 7), 7U);
  EXPECT_FALSE(part.full());
  EXPECT_EQ(write(part, 7, 'y'), 3U);
  EXPECT_TRUE(part.full());
  EXPECT_EQ(text_of(part.take()), "xxxxxxxyyy");
}

TEST_F(Filling, TakesZeroesWithoutMemoryUntilDataFollows) {
  filling part(10);
  EXPECT_EQ(part.zero(UINT64_MAX), 10U);
  EXPECT_TRUE(part.take().zeroes());
  part = filling(10);
  EXPECT_EQ(part.zero(4), 4U);
  EXPECT_EQ(write(part, 2), 2U);
  EXPECT_EQ(part.zero(4), 4U);
  EXPECT_EQ(text_of(part.take()), std::string("\0\0\0\0xx\0\0\0\0", 10));
}

TEST_F(Filling, ClearsWhatTheLastPartLeftInItsMemory) {
  for (const std::size_t size : {std::size_t{10000}, 5 * mib + 123}) {
    filling first(size);
    EXPECT_EQ(write(first, size, 'o'), size);
    (void)first.take();
    filling second(size);
    EXPECT_EQ(second.zero(size / 2 - 1), size / 2 - 1);
    EXPECT_EQ(write(second, 1), 1U);
    EXPECT_EQ(second.zero(size), size - size / 2);
    std::string expected(size, '\0');
    expected[size / 2 - 1] = 'x';
    EXPECT_TRUE(text_of(second.take()) == expected) << size;
  }
}

TEST_F(Filling, WaitsForABufferThatIsOnItsWay) {
  filling part(10);
  EXPECT_EQ(write(part, 10), 10U);
  payload first = part.take();
  part = filling(10);
  EXPECT_EQ(write(part, 10), 10U);
  const payload second = part.take();
  part = filling(10);
  EXPECT_EQ(part.zero(3), 3U);
  EXPECT_EQ(write(part, 5), 0U);
  first = {};
  EXPECT_EQ(write(part, 5), 5U);
  EXPECT_EQ(text_of(part.take()), std::string("\0\0\0xxxxx", 8));
}

TEST_F(Filling, KeepsItsBytesWhileAnybodyHasThem) {
  filling part(10);
  (void)write(part, 10, 'a');
  const payload held = part.take();
  part = filling(10);
  (void)write(part, 10, 'b');
  pool->give_back();
  EXPECT_EQ(text_of(held), std::string(10, 'a'));
}

TEST(BufferPool, LendsSoManyAtATimeOfWhateverSize) {
  const auto pool = std::make_shared<buffer_pool>();
  auto first = pool->lend(mib, 2);
  const auto second = pool->lend(2 * mib, 2);
  EXPECT_EQ(second->size(), 2 * mib);
  EXPECT_FALSE(pool->lend(4 * mib, 2));
  first.reset();
  EXPECT_TRUE(pool->lend(4 * mib, 2));
}

TEST(BufferPool, MayGoBeforeItsBuffers) {
  auto pool = std::make_shared<buffer_pool>();
  auto lent = pool->lend(mib, 1);
  pool.reset();
  lent.reset();
}

}  // namespace
}  // namespace nbdstream::s3
