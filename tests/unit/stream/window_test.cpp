// SPDX-License-Identifier: BSD-3-Clause
#include "stream/window.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace nbdstream::stream {
namespace {

TEST(Window, BlockCostsItsBytesAndTheOverhead) {
  window w(1000);
  EXPECT_TRUE(w.fits(1000 - window::overhead));
  EXPECT_FALSE(w.fits(1001 - window::overhead));
  const auto first = w.allocate(0, 300);
  EXPECT_TRUE(w.fits(1000 - 300 - 2 * window::overhead));
  EXPECT_FALSE(w.fits(1001 - 300 - 2 * window::overhead));
}

TEST(Window, FitsDoesNotOverflow) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_FALSE(window(0).fits(1));
  EXPECT_FALSE(window(window::overhead - 1).fits(0));
  EXPECT_FALSE(window(1000).fits(most));
  EXPECT_FALSE(window(most).fits(most));
  EXPECT_TRUE(window(most).fits(most - window::overhead));
}

TEST(Window, LastReferenceFreesTheBlock) {
  window w(1000);
  auto first = w.allocate(0, 800);
  auto second = first;
  first.reset();
  EXPECT_FALSE(w.fits(100));
  second.reset();
  EXPECT_TRUE(w.fits(800));
}

TEST(Window, MoreThanHalfBeginsBeyondTheHalf) {
  window w(1000);
  const auto half = w.allocate(0, 500 - window::overhead);
  EXPECT_FALSE(w.more_than_half());
  const auto one_more = w.allocate(0, 1);
  EXPECT_TRUE(w.more_than_half());
}

TEST(Window, PeakIsTheMostThatWasUsed) {
  window w(1000);
  EXPECT_EQ(w.peak(), 0u);
  w.allocate(0, 600).reset();
  const auto later = w.allocate(0, 10);
  EXPECT_EQ(w.peak(), 600 + window::overhead);
}

/// Fills the block with bytes that tell where they stand, piece by piece.
std::size_t fill(block& b) {
  std::size_t pieces = 0;
  for (auto at = b.offset(); at < b.end(); ++pieces) {
    for (auto& byte : b.piece(at, b.end())) byte = static_cast<std::byte>(at++ % 251);
  }
  return pieces;
}

void expect_bytes(block& b, std::uint64_t begin, std::uint64_t end) {
  for (auto at = begin; at < end;) {
    const auto piece = b.piece(at, end);
    ASSERT_FALSE(piece.empty());
    ASSERT_LE(at + piece.size(), end);
    for (const auto byte : piece) ASSERT_EQ(byte, static_cast<std::byte>(at++ % 251));
  }
}

TEST(Block, FindsBytesByStreamOffset) {
  constexpr auto frame = frame_store::frame_size;
  window w(100 * frame);
  for (const std::size_t size : {std::size_t{1}, std::size_t{10}, frame - 1, frame, frame + 1,
                                 4 * frame, 4 * frame + 7, 20 * frame}) {
    const auto b = w.allocate(5000, size);
    EXPECT_EQ(b->offset(), 5000u);
    EXPECT_EQ(b->end(), 5000u + size);
    fill(*b);
    expect_bytes(*b, b->offset(), b->end());
    expect_bytes(*b, b->offset() + size / 3, b->end() - size / 3);
  }
}

TEST(Block, WorksInScatteredMemory) {
  constexpr auto frame = frame_store::frame_size;
  window w(100 * frame);
  auto first = w.allocate(0, frame);
  const auto between = w.allocate(0, frame);
  auto third = w.allocate(0, frame);
  first.reset();
  third.reset();
  const auto b = w.allocate(100, 2 * frame + 10);
  EXPECT_EQ(fill(*b), 3U);
  expect_bytes(*b, 100, b->end());
}

TEST(Window, IdleAndUsedMemoryStayWithinItsLimit) {
  constexpr auto frame = frame_store::frame_size;
  window w(10 * frame);
  w.allocate(0, 8 * frame).reset();
  EXPECT_EQ(w.idle(), 8 * frame);
  const auto small = w.allocate(0, frame - 1);  // which is in no frame
  EXPECT_EQ(w.idle(), 8 * frame);
  std::vector<block_ptr> more;
  for (int i = 0; i < 5; ++i) more.push_back(w.allocate(0, frame - 1));
  EXPECT_LE(w.used() + w.idle(), w.limit());
  EXPECT_GT(w.used() + w.idle(), w.limit() - frame);
}

TEST(Window, KeepNoneFreesIdleMemory) {
  constexpr auto frame = frame_store::frame_size;
  window w(10 * frame);
  auto later = w.allocate(0, 2 * frame);
  w.allocate(0, 4 * frame).reset();
  w.keep_none();
  EXPECT_EQ(w.idle(), 0U);
  later.reset();
  EXPECT_EQ(w.idle(), 0U);
  EXPECT_TRUE(w.fits(9 * frame)) << "it can still be used";
}

}  // namespace
}  // namespace nbdstream::stream
