// SPDX-License-Identifier: BSD-3-Clause
#include "status/speedometer.hpp"

#include <gtest/gtest.h>

namespace nbdstream::status {
namespace {

using namespace std::chrono_literals;

/// An export whose streams are seen once a second.
class watched {
 public:
  /// The stream `id` has done so many bytes of `total`, a second later.
  rates see(std::uint64_t id, std::uint64_t done, std::optional<std::uint64_t> total = {}) {
    if (!e_.current || e_.current->id != id) {
      e_.current.emplace();
      e_.current->id = id;
      began_ = now_;
    }
    e_.current->done = done;
    e_.current->total = total;
    now_ += 1s;
    e_.current->age = now_ - began_;
    meter_.look(e_, now_);
    return meter_.read(e_);
  }
  rates see_none() {
    e_.current.reset();
    now_ += 1s;
    meter_.look(e_, now_);
    return meter_.read(e_);
  }

 private:
  exported e_;
  speedometer meter_;
  speedometer::time_point now_{100s};
  speedometer::time_point began_;
};

TEST(Speedometer, TellsWhatIsNowFromTheAverage) {
  watched w;
  for (std::uint64_t i = 1; i <= 10; ++i) w.see(1, 100 * i);
  rates r;
  for (std::uint64_t i = 1; i <= 10; ++i) r = w.see(1, 1000 + 1000 * i);
  EXPECT_DOUBLE_EQ(r.now, 1000);
  EXPECT_DOUBLE_EQ(r.average, 11000.0 / 20);
}

TEST(Speedometer, EstimatesTheRestOnlyWhereTheTotalIsKnownAndSomethingMoves) {
  watched w;
  EXPECT_EQ(w.see(1, 100).remaining, std::nullopt);
  rates r;
  for (std::uint64_t i = 1; i <= 20; ++i) r = w.see(2, 100 * i, 4000);
  ASSERT_TRUE(r.remaining);
  EXPECT_NEAR(r.remaining->count(), 20, 1);
  for (int i = 0; i < 10; ++i) r = w.see(2, 2000, 4000);
  EXPECT_DOUBLE_EQ(r.now, 0);
  EXPECT_EQ(r.remaining, std::nullopt) << "it stands still";
}

TEST(Speedometer, IsNotDisturbedByTheNextStreamNorByOneThatIsSentAfterItWasSpooled) {
  watched w;
  for (std::uint64_t i = 1; i <= 10; ++i) w.see(1, 100 * i);
  w.see_none();
  auto r = w.see(2, 100);
  EXPECT_GT(r.now, 0);
  for (std::uint64_t i = 2; i <= 10; ++i) r = w.see(2, 100 * i);
  EXPECT_DOUBLE_EQ(r.now, 100);
  r = w.see(2, 50);  // a spooled stream begins to be sent
  EXPECT_GE(r.now, 0);
  for (std::uint64_t i = 2; i <= 10; ++i) r = w.see(2, 50 * i);
  EXPECT_DOUBLE_EQ(r.now, 50);
  for (const auto rate : r.history) {
    EXPECT_GE(rate, 0);
    EXPECT_LE(rate, 100);
  }
}

TEST(Speedometer, RemembersTheLastMinutesAndNoMore) {
  watched w;
  rates r;
  for (std::uint64_t i = 1; i <= 1000; ++i) r = w.see(1, i);
  EXPECT_EQ(r.history.size(), 150U);
  for (const auto rate : r.history) EXPECT_DOUBLE_EQ(rate, 1);
  EXPECT_DOUBLE_EQ(w.see_none().average, 0);
}

}  // namespace
}  // namespace nbdstream::status
