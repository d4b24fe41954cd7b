// SPDX-License-Identifier: BSD-3-Clause
//
// What is held: its memory, its bytes in the spill file, and what a READ finds of it.
#include "at_work.hpp"

#include <unistd.h>

#include <fstream>

namespace nbdstream::test {
namespace {

/// Bytes of memory that this process has.
std::size_t resident() {
  std::size_t all = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class SessionHeldData : public clients_at_work {
 protected:
  explicit SessionHeldData(nbd_export::settings s = rig::windowed(64 << 20))
      : clients_at_work(std::move(s)) {}
};

TEST_F(SessionHeldData, FailedStreamFreesMemoryOfArrivingPayloads) {
  constexpr std::size_t size = 2 << 20;
  constexpr int count = 8;
  for (int i = 0; i < count; ++i) {
    begin_write(connect(), static_cast<std::uint64_t>(i + 1) * size, pattern(size), 1);
  }
  auto& dying = connect();
  write(dying, 0, "x");
  const auto before = resident();
  hang_up(dying);
  const auto after = resident();
  EXPECT_EQ(r.exported.aborted(), 1u);
  EXPECT_GT(before, after + count * size * 9 / 10);
  for (auto& c : clients) {
    if (!c.withheld.empty()) end_write(c);
  }
  EXPECT_EQ(answers(clients.front()), "1:5");
}

class SessionHeldDataOfTwoStreams : public SessionHeldData {
 protected:
  static nbd_export::settings one_after_another() {
    auto s = rig::windowed(1 << 20);
    s.config.streams = 0;
    return s;
  }
  SessionHeldDataOfTwoStreams() : SessionHeldData(one_after_another()) {}
};

TEST_F(SessionHeldDataOfTwoStreams, LargeReadsShareOneBuffer) {
  constexpr std::size_t large = 300'000;
  auto& first = connect();
  write(first, 1000, pattern(large));
  first.connection->tape.reads = false;
  say(first, [](scripted_client& s) { s.read(1000, large); });
  r.settle();
  auto& dying = connect();
  write(dying, 900'000, pattern(10));
  hang_up(dying);
  ASSERT_EQ(r.exported.aborted(), 1u);
  auto& second = connect();
  write(second, 1000, pattern(large, 2));
  say(second, [](scripted_client& s) { s.read(1000, large); });
  r.settle();
  EXPECT_EQ(answers(second), "1") << "there is one buffer for both";
  let_read(first);
  EXPECT_EQ(answers(first), "1 2");
  ASSERT_EQ(answers(second), "1 2");
  EXPECT_EQ(heard(second).answers[1].data, pattern(large, 2));
}

TEST_F(SessionHeldData, SmallReadIsAnsweredDuringALargeRead) {
  constexpr std::size_t large = 300'000;
  auto& first = connect();
  write(first, 1000, pattern(large));
  first.connection->tape.reads = false;
  say(first, [](scripted_client& s) { s.read(1000, large); });
  r.settle();
  auto& second = connect();
  say(second, [](scripted_client& s) { s.read(1000, 500); });
  r.settle();
  EXPECT_EQ(answers(second), "1");
  let_read(first);
  EXPECT_EQ(answers(first), "1 2");
}

TEST_F(SessionHeldData, ReadOverThousandsOfZeroExtentsReturnsZeroes) {
  constexpr int pieces = 3000;
  auto& c = connect();
  say(c, [](scripted_client& s) {
    for (int i = 0; i < pieces; ++i) s.zeroes(4096 + static_cast<std::uint64_t>(i) * 1024, 512);
    s.read(4096, pieces * 1024);
  });
  r.settle();
  const auto said = heard(c);
  ASSERT_EQ(said.answers.size(), pieces + 1u);
  EXPECT_EQ(said.answers.back().error, 0u);
  EXPECT_EQ(said.answers.back().data, std::string(pieces * 1024, '\0'));
}

TEST_F(SessionHeldData, ReadReturnsDataBehindThousandsOfZeroExtents) {
  constexpr int pieces = 3000;
  auto& c = connect();
  say(c, [](scripted_client& s) {
    for (int i = 0; i < pieces; ++i) s.zeroes(4096 + static_cast<std::uint64_t>(i) * 1024, 512);
    s.write(4096 + pieces * 1024, "data").read(4096, pieces * 1024 + 4);
  });
  r.settle();
  const auto said = heard(c);
  ASSERT_EQ(said.answers.size(), pieces + 2u);
  EXPECT_EQ(said.answers.back().data, std::string(pieces * 1024, '\0') + "data");
}

/// Everything that is ahead goes to the file.
class SessionSpilledData : public SessionHeldData {
 protected:
  SessionSpilledData() : SessionHeldData(rig::ordered(stream::order::spill, 0)) {}

  static constexpr std::size_t size = 300'000;  // of which the first piece is in the file soon
  static constexpr std::size_t missing = 100'000;

  void write_the_rest_and_leave() {
    write(clients.front(), 0, pattern(200'000, 9));
    for (auto& c : clients) disc(c);
    EXPECT_EQ(r.exported.committed(), 1u) << r.log.all();
  }
};

TEST_F(SessionSpilledData, ZeroesDuringArrivalDoNotReplaceThePayload) {
  auto& a = connect();
  auto& b = connect();
  write(b, 600'000, pattern(10'000, 2));  // so that the zeroes replace something
  begin_write(a, 200'000, pattern(size), missing);
  zeroes(b, 200'000, 410'000);
  EXPECT_EQ(answers(b), "1 2");
  end_write(a);
  EXPECT_EQ(answers(a), "1");
  write_the_rest_and_leave();
  EXPECT_TRUE(r.tape.data() == pattern(200'000, 9) + pattern(size) + std::string(110'000, '\0'));
}

TEST_F(SessionSpilledData, TrimDuringArrivalDoesNotReplaceThePayload) {
  auto& a = connect();
  auto& b = connect();
  write(b, 600'000, pattern(10'000, 2));
  begin_write(a, 200'000, pattern(size), missing);
  say(b, [](scripted_client& s) { s.trim(200'000, 410'000); });
  r.settle();
  end_write(a);
  write_the_rest_and_leave();
  EXPECT_TRUE(r.tape.data() == pattern(200'000, 9) + pattern(size) + std::string(110'000, '\0'));
}

TEST_F(SessionSpilledData, ZeroesOverDataFreeItsSpaceInTheSpillFile) {
  auto& c = connect();
  write(c, 200'000, pattern(size));
  ASSERT_EQ(r.spill.bytes.size(), size);
  zeroes(c, 200'000, size);
  EXPECT_EQ(r.spill.bytes.size(), 0u);
}

}  // namespace
}  // namespace nbdstream::test
