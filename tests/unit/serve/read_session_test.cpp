// SPDX-License-Identifier: BSD-3-Clause
//
// A connection to an export that is only read, up to its end, also where a read hangs.
#include "serve/read_export.hpp"
#include "server/session.hpp"
#include "support/fake_log.hpp"
#include "support/fake_transport.hpp"
#include "support/scripted_client.hpp"
#include "unit/io/loop.hpp"
#include "unit/source/sources.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace nbdstream::serve {
namespace {

using nbdstream::test::connection_tape;
using nbdstream::test::fake_log;
using nbdstream::test::fake_transport;
using nbdstream::test::scripted_client;

/// Bytes of which the first read hangs until it is let go.
class hanging final : public source::source {
 public:
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept override { return 1 << 20; }
  [[nodiscard]] nbdstream::source::failure read(std::uint64_t offset,
                                                std::span<std::byte> into) override {
    std::unique_lock lock(mutex_);
    ++reads_;
    changed_.notify_all();
    if (offset == 0) changed_.wait(lock, [&] { return released_; });
    std::ranges::fill(into, std::byte{1});
    return {};
  }
  /// All is data; where looks take time, each finds the next of data and holes of 4 KiB in turns.
  [[nodiscard]] nbdstream::source::failure look(std::uint64_t offset, std::uint64_t until,
                                                extent& found) override {
    using nbdstream::source::content;
    found = {until, content::data};
    ++looks;
    if (looks_take == std::chrono::milliseconds(0)) return {};
    std::this_thread::sleep_for(looks_take);
    const auto number = offset / 4096;
    found = {std::min(until, (number + 1) * 4096), number % 2 ? content::hole : content::data};
    return {};
  }
  [[nodiscard]] bool reads() {
    const std::lock_guard lock(mutex_);
    return reads_ > 0;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }

  std::chrono::milliseconds looks_take{0};
  std::atomic<int> looks = 0;

 private:
  std::string name_ = "hanging";
  std::mutex mutex_;
  std::condition_variable changed_;
  int reads_ = 0;
  bool released_ = false;
};

class ReadSession : public ::testing::Test, private session_host {
 protected:
  ~ReadSession() override { from->release(); }

  void connect(const scripted_client& script, session::settings how = {}) {
    tape.to_server = script.script();
    tape.stays = true;
    session_host& host = *this;
    served_session = std::make_unique<session>(loop.get_executor(), how,
                                               std::make_unique<fake_transport>(tape), host, log);
    asio::co_spawn(loop, served_session->run(), [this](std::exception_ptr failed) {
      EXPECT_FALSE(failed);
      done = true;
    });
  }

  template <class Done>
  [[nodiscard]] bool run_until(Done reached) {
    return nbdstream::test::run_until(loop, reached);
  }

  asio::io_context loop{1};
  fake_log log;
  std::shared_ptr<hanging> from = std::make_shared<hanging>();
  read_export exported{loop.get_executor(), {.name = "", .description = "", .from = from}, log};
  connection_tape tape{loop.get_executor()};
  std::unique_ptr<session> served_session;
  bool done = false;

 private:
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return {&exported.info(), 1};
  }
  [[nodiscard]] served& export_at(std::size_t) override { return exported; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override { return {}; }
};

TEST_F(ReadSession, AnswersOneReadWhileAnotherHangs) {
  scripted_client script;
  script.flags().structured().go().read(0, 512).read(4096, 512);
  connect(script);
  ASSERT_TRUE(run_until([&] { return script.parse(tape.from_server).chunks.size() == 1; }));
  EXPECT_EQ(script.parse(tape.from_server).chunks[0].cookie, 2u);
  from->release();
  ASSERT_TRUE(run_until([&] { return script.parse(tape.from_server).chunks.size() == 2; }));
  tape.hang_up();
  EXPECT_TRUE(run_until([&] { return done; }));
}

TEST_F(ReadSession, EndsOnceReadsThatHangAreGivenUp) {
  scripted_client script;
  script.flags().structured().go();
  for (int i = 0; i < 20; ++i) script.read(0, 512);
  connect(script);
  ASSERT_TRUE(run_until([&] { return from->reads(); }));
  served_session->close();
  exported.abandon();
  EXPECT_TRUE(run_until([&] { return done; }));
}

TEST_F(ReadSession, AnswersAStatusRequestSoonWithWhatItHasFound) {
  from->looks_take = std::chrono::milliseconds(20);
  scripted_client script;
  script.flags().structured().allocation().go().status(0, 1 << 20);
  connect(script);
  ASSERT_TRUE(run_until([&] { return script.parse(tape.from_server).chunks.size() == 1; }));
  const auto told = script.parse(tape.from_server).chunks[0];
  EXPECT_EQ(told.type, 5);
  const auto extents = (told.payload.size() - 4) / 8;
  EXPECT_GE(extents, 1u);
  EXPECT_LE(extents, 10u);
  tape.hang_up();
  EXPECT_TRUE(run_until([&] { return done; }));
}

/// Each look alone takes longer than an answer may, so each request is about one extent.
TEST_F(ReadSession, LooksNoFurtherForAClientThatHasGone) {
  from->looks_take = std::chrono::milliseconds(200);
  scripted_client script;
  script.flags().structured().allocation().go();
  for (int i = 0; i < 16; ++i) script.status(4096, 1 << 19);
  connect(script);
  ASSERT_TRUE(run_until([&] { return from->looks > 0; }));
  served_session->close();
  EXPECT_TRUE(run_until([&] { return done; }));
  // As many as one client may have threads, and those that began before it was noticed.
  EXPECT_LE(from->looks, 12);
}

TEST_F(ReadSession, HangsUpOnAClientThatSendsAndTakesNothing) {
  scripted_client script;
  script.flags().structured().go();
  for (int i = 0; i < 40; ++i) script.read(4096, 1 << 16);
  session::settings impatient;
  impatient.payload_timeout = std::chrono::milliseconds(100);
  connect(script, impatient);
  ASSERT_TRUE(run_until([&] { return from->reads(); }));
  tape.reads = false;
  EXPECT_TRUE(run_until([&] {
    tape.send("x");
    return done;
  }));
  EXPECT_TRUE(log.says("timed out")) << log.all();
}

TEST_F(ReadSession, ReportsNotEachOfManyFailures) {
  for (int i = 0; i < 1000; ++i) exported.report("failure " + std::to_string(i % 2));
  EXPECT_EQ(log.lines.size(), 10u);
  exported.abandon();
  EXPECT_EQ(log.lines.size(), 11u);
  EXPECT_TRUE(log.says("hanging: 990 more reads failed, which were not logged one by one"));
}

TEST_F(ReadSession, ReportsNoFailureOfWhatWasInterrupted) {
  exported.interrupt();
  exported.report("it was stopped");
  EXPECT_EQ(log.all(), "");
}

TEST_F(ReadSession, RefusesEachWayToWrite) {
  scripted_client script;
  script.flags().structured().go().write(0, "data").zeroes(0, 4096).trim(0, 4096).read(4096, 1);
  connect(script);
  ASSERT_TRUE(run_until([&] { return script.parse(tape.from_server).chunks.size() == 4; }));
  const auto said = script.parse(tape.from_server);
  EXPECT_EQ(said.wrong, "");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(said.chunks[i].type, 0x8001);
    EXPECT_EQ(nbdstream::test::from_big_endian(said.chunks[i].payload, 4), 1u);
  }
  EXPECT_EQ(said.chunks[3].type, 1);
  tape.hang_up();
  EXPECT_TRUE(run_until([&] { return done; }));
}

}  // namespace
}  // namespace nbdstream::serve
