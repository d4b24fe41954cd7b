// SPDX-License-Identifier: BSD-3-Clause
//
// After the first requests, a request allocates nothing; one that is held, its block.
#include "allocations.hpp"
#include "streaming.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>

namespace nbdstream::test {
namespace {

constexpr std::uint32_t small = 4 << 10;    // bytes
constexpr std::uint32_t large = 128 << 10;  // bytes
constexpr int batch = 64;                   // requests
constexpr std::uint64_t roomy = 64 << 20;   // bytes, of a window

TEST(Counting, SeesEveryWayToAllocate) {
  constexpr int times = 10;
  const auto before = allocations();
  std::thread counted([] {
    count_allocations_of_this_thread();
    for (int i = 0; i < times; ++i) {
      // Volatile: what is given back at once a compiler may leave out.
      void* volatile some = std::malloc(100);
      void* volatile aligned = std::aligned_alloc(64, 128);
      void* volatile made = ::operator new(100);
      std::free(some);
      std::free(aligned);
      ::operator delete(made);
    }
  });
  counted.join();
  EXPECT_EQ(allocations() - before, 3 * times);
}

/// The rest is the same for pipes of any size; one page makes the server wait for its reader again
/// and again.
class Allocation : public ::testing::TestWithParam<int> {
 protected:
  static streaming_settings in_order() {
    streaming_settings s;
    s.exported.config.settle = std::chrono::seconds(0);
    s.pipe_size = GetParam();
    return s;
  }
  static streaming_settings windowed(std::uint64_t window) {
    auto s = in_order();
    s.exported.order = stream::order::window;
    s.exported.config.window = window;
    s.exported.config.stall = std::chrono::hours(1);
    return s;
  }

  /// `round` makes requests from an offset on, and returns where the next begin. Returns how much
  /// is allocated by so many rounds once the server is warm: what comes rarely, as a longer queue
  /// does, may come first when it has run for a while, so this repeats them until it is `enough`.
  template <class Round>
  static std::uint64_t allocated_by(streaming& s, int times, Round round,
                                    std::uint64_t enough = 0) {
    constexpr int runs = 20;
    std::uint64_t least = ~std::uint64_t{0};
    std::uint64_t at = 0;
    for (int run = 0; run < runs && least > enough; ++run) {
      const auto before = allocations();
      for (int i = 0; i < times; ++i) at = round(at);
      s.wait_until_taken(at);
      least = std::min(least, allocations() - before);
    }
    return least;
  }

  /// A batch of writes from the last to the first, so that all but one are held.
  auto held_batches(streaming& s) {
    return [this, &s](std::uint64_t at) {
      s.wait_until_taken(at);
      for (int i = batch - 1; i >= 0; --i) s.client().write(at + i * small, small_payload);
      s.client().take_answers(batch);
      return at + batch * small;
    };
  }
  static constexpr int rounds = 30;
  static constexpr std::uint64_t held_in_rounds = rounds * (batch - 1);

  const std::string small_payload = std::string(small, 's');
  const std::string large_payload = std::string(large, 'l');
};
INSTANTIATE_TEST_SUITE_P(PipeOf, Allocation, ::testing::Values(64 << 10, 4 << 10),
                         ::testing::PrintToStringParamName());

TEST_P(Allocation, IsNoneWhereARequestIsSpliced) {
  streaming s(in_order());
  auto& c = s.client();
  const auto made = allocated_by(s, 200, [&](std::uint64_t at) {
    c.write(at, large_payload);
    c.take_answers(1);
    return at + large;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsNoneWhereASplicedPayloadComesInPieces) {
  streaming s(in_order());
  auto& c = s.client();
  const auto half = large_payload.substr(large / 2);
  const auto made = allocated_by(s, 100, [&](std::uint64_t at) {
    c.send(request_message(0, scripted_client::write_command, 1, at, large));
    c.send(half);
    s.wait_until_taken(at + half.size());
    c.send(half);
    c.take_answers(1);
    return at + large;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsNoneWhereARequestIsCopied) {
  auto settings = in_order();
  settings.copy_only = true;
  streaming s(std::move(settings));
  auto& c = s.client();
  const auto made = allocated_by(s, 200, [&](std::uint64_t at) {
    c.write(at, large_payload);
    c.take_answers(1);
    return at + large;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsNoneWhereManySmallRequestsComeAtOnce) {
  streaming s(in_order());
  auto& c = s.client();
  const auto made = allocated_by(s, rounds, [&](std::uint64_t at) {
    for (int i = 0; i < batch; ++i) c.write(at + i * small, small_payload);
    c.take_answers(batch);
    return at + batch * small;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsNoneWhereZeroesAreSentAtOnce) {
  streaming s(in_order());
  auto& c = s.client();
  const auto made = allocated_by(s, 200, [&](std::uint64_t at) {
    c.write_zeroes(at, large);
    c.take_answers(1);
    return at + large;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsNoneWhereZeroesAreHeld) {
  streaming s(windowed(roomy));
  auto& c = s.client();
  const auto made = allocated_by(s, 200, [&](std::uint64_t at) {
    c.write_zeroes(at + small, small);
    c.write(at, small_payload);
    c.write(at + 2 * small, small_payload);
    c.take_answers(3);
    return at + 3 * small;
  });
  EXPECT_EQ(made, 0U);
}

TEST_P(Allocation, IsOneBlockWhereARequestIsHeld) {
  streaming s(windowed(roomy));
  EXPECT_LE(allocated_by(s, rounds, held_batches(s), held_in_rounds), held_in_rounds);
}

// The window is more than half full before the first bytes come.
TEST_P(Allocation, IsOneBlockWhereTheAnswerIsPutOff) {
  streaming s(windowed(batch * small * 3 / 2));
  EXPECT_LE(allocated_by(s, rounds, held_batches(s), held_in_rounds), held_in_rounds);
}

// The others have sent all that they have to say while the first still has the turn.
TEST_P(Allocation, IsNoneWhereClientsWaitForOneAnother) {
  auto settings = in_order();
  settings.clients = 4;
  streaming s(std::move(settings));
  const auto head = large_payload.substr(large / 4);
  const auto tail = large_payload.substr(head.size());
  const auto made = allocated_by(s, 50, [&](std::uint64_t at) {
    s.client(0).send(request_message(0, scripted_client::write_command, 1, at, large));
    s.client(0).send(head);
    s.wait_until_taken(at + head.size());
    at += large;
    for (int i = 1; i < 4; ++i, at += small) {
      s.client(i).write(at, small_payload);
      s.client(i).wait_until_read();
    }
    s.client(0).send(tail);
    for (int i = 0; i < 4; ++i) s.client(i).take_answers(1);
    return at;
  });
  EXPECT_EQ(made, 0U);
}

}  // namespace
}  // namespace nbdstream::test
