// SPDX-License-Identifier: BSD-3-Clause
#include "stream/frame_store.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

namespace nbdstream::stream {
namespace {

constexpr auto frame_size = frame_store::frame_size;

/// How many bytes of the frame have memory.
std::size_t resident(std::byte* frame) {
  const auto page_size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(frame_size / page_size);
  if (::mincore(frame, frame_size, pages.data()) != 0) ADD_FAILURE() << errno;
  return page_size * static_cast<std::size_t>(std::ranges::count(pages, 1));
}

TEST(FrameStore, GivesEachFrameToOneUserAtATime) {
  frame_store store;
  std::vector<std::byte*> frames;
  for (int i = 0; i < 1000; ++i) {
    frames.push_back(store.take());
    std::memset(frames.back(), i % 251, frame_size);
  }
  for (int i = 0; i < 1000; ++i) {
    const auto& f = frames[static_cast<std::size_t>(i)];
    ASSERT_EQ(f[0], static_cast<std::byte>(i % 251));
    ASSERT_EQ(f[frame_size - 1], static_cast<std::byte>(i % 251));
  }
  for (auto* const f : frames) store.put_back(f);
}

TEST(FrameStore, ReusesFreeFrames) {
  frame_store store;
  std::set<std::byte*> first;
  for (int i = 0; i < 300; ++i) first.insert(store.take());
  for (auto* const f : first) store.put_back(f);
  EXPECT_EQ(store.idle(), 300 * frame_size);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(first.erase(store.take()), 1U);
  EXPECT_EQ(store.idle(), 0U);
}

TEST(FrameStore, ReusesTheLastReturnedFrameFirst) {
  frame_store store;
  auto* const first = store.take();
  auto* const second = store.take();
  store.put_back(second);
  store.put_back(first);
  EXPECT_EQ(store.take(), first);
  EXPECT_EQ(store.take(), second);
}

TEST(FrameStore, IdleLimitReturnsMemoryToTheSystem) {
  frame_store store;
  std::vector<std::byte*> frames;
  for (int i = 0; i < 8; ++i) {
    frames.push_back(store.take());
    std::memset(frames.back(), 1, frame_size);
  }
  for (auto* const f : frames) store.put_back(f);
  store.limit_idle(3 * frame_size);
  EXPECT_EQ(store.idle(), 3 * frame_size);
  std::size_t bytes = 0;
  for (auto* const f : frames) bytes += resident(f);
  EXPECT_EQ(bytes, 3 * frame_size);
  // They can be used again, and are zeroes then.
  for (int i = 0; i < 3; ++i) (void)store.take();
  EXPECT_EQ(store.take()[0], std::byte{0});
}

}  // namespace
}  // namespace nbdstream::stream
