// SPDX-License-Identifier: BSD-3-Clause
#include "server/spill_store.hpp"

#include "rig.hpp"

#include <list>
#include <utility>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t mib = 1 << 20;

class SpillStore : public ::testing::Test {
 protected:
  struct opening {
    bool done = false;
    sink::failure failed;
  };
  static awaitable<void> open(spill_store& s, opening& into) {
    into.failed = co_await s.open();
    into.done = true;
  }
  /// Begins; settle() lets it go on.
  opening& begin_open() {
    auto& o = openings_.emplace_back();
    spawn(loop, open(store, o));
    return o;
  }
  void open_it() {
    const auto& o = begin_open();
    settle();
    ASSERT_TRUE(o.done);
    ASSERT_FALSE(o.failed);
  }
  struct call {
    bool done = false;
    error_code error;
  };
  static awaitable<void> write(spill_store& s, call& into) {
    const auto memory = std::make_shared<std::array<std::byte, 10>>();
    const io::spill::piece piece{0, *memory};
    const std::span<const io::spill::piece> pieces(&piece, 1);
    into.error = co_await s.write(pieces, memory);
    into.done = true;
  }
  void give_back_before(std::uint64_t cursor) {
    spawn(loop, store.give_back_before(cursor));
    settle();
  }
  void settle() { run_dry(loop); }
  [[nodiscard]] std::size_t opened() const {
    return static_cast<std::size_t>(std::ranges::count(tape.calls, "open"));
  }

  asio::io_context loop{1};
  spill_tape tape;
  spill_store store{loop.get_executor(),
                    {"a directory", fake_spill::maker(tape, loop.get_executor())}};

 private:
  std::list<opening> openings_;
};

using given_back = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

TEST_F(SpillStore, TwoConcurrentOpensMakeOneFile) {
  const auto& first = begin_open();
  const auto& second = begin_open();
  EXPECT_FALSE(store.is_open());
  settle();
  EXPECT_TRUE(first.done && second.done);
  EXPECT_FALSE(first.failed || second.failed);
  EXPECT_TRUE(store.is_open());
  open_it();
  EXPECT_EQ(opened(), 1u);
}

TEST_F(SpillStore, MakesNoFileBeforeItIsOpened) {
  give_back_before(100 * mib);
  store.abandon();
  store.close();
  EXPECT_TRUE(tape.calls.empty());
  EXPECT_TRUE(tape.given_back.empty());
}

TEST_F(SpillStore, OpenErrorNamesDirectoryAndOption) {
  tape.fail_at = 0;
  tape.fail_with = EROFS;
  const auto& o = begin_open();
  settle();
  EXPECT_EQ(o.failed.code.value(), EROFS);
  EXPECT_NE(o.failed.why.find("a directory"), std::string::npos) << o.failed.why;
  EXPECT_NE(o.failed.why.find("--spill-directory"), std::string::npos) << o.failed.why;
  EXPECT_FALSE(store.is_open());
}

TEST_F(SpillStore, AbandonDuringOpenEndsEveryWait) {
  tape.hangs_at = 0;
  const auto& first = begin_open();
  const auto& second = begin_open();
  settle();
  ASSERT_TRUE(tape.hanging);
  EXPECT_FALSE(first.done || second.done);
  store.abandon();
  settle();
  ASSERT_TRUE(first.done && second.done);
  EXPECT_EQ(first.failed.code, asio::error::operation_aborted);
  EXPECT_EQ(second.failed.code, asio::error::operation_aborted);
  EXPECT_FALSE(store.is_open());
  EXPECT_EQ(opened(), 1u) << "it is not tried again";
}

TEST_F(SpillStore, OpenAfterAbandonMakesNoFile) {
  store.abandon();
  const auto& o = begin_open();
  settle();
  EXPECT_EQ(o.failed.code, asio::error::operation_aborted);
  EXPECT_EQ(opened(), 0u);
}

TEST_F(SpillStore, CloseDuringAWriteAbortsTheWrite) {
  open_it();
  tape.hangs_at = tape.calls.size();
  call writing;
  spawn(loop, write(store, writing));
  settle();
  ASSERT_TRUE(tape.hanging);
  store.close();
  EXPECT_FALSE(store.is_open());
  settle();
  EXPECT_TRUE(writing.done);
  EXPECT_EQ(writing.error, asio::error::operation_aborted);
}

TEST_F(SpillStore, SentBytesAreGivenBackInBatches) {
  open_it();
  give_back_before(1 * mib);
  give_back_before(4 * mib - 1);
  EXPECT_TRUE(tape.given_back.empty());
  give_back_before(4 * mib);
  EXPECT_EQ(tape.given_back, (given_back{{0, 4 * mib}}));
  give_back_before(7 * mib);
  give_back_before(20 * mib);
  EXPECT_EQ(tape.given_back, (given_back{{0, 4 * mib}, {4 * mib, 20 * mib}}));
}

TEST_F(SpillStore, NothingIsGivenBackAfterAbandon) {
  open_it();
  store.abandon();
  give_back_before(100 * mib);
  EXPECT_TRUE(tape.given_back.empty());
}

}  // namespace
}  // namespace nbdstream::test
