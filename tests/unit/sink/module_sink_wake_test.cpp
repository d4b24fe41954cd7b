// SPDX-License-Identifier: BSD-3-Clause
//
// What a module tells the host while nothing asks it.
#include "sink/module_sink.hpp"

#include "fake_module.hpp"
#include "operations.hpp"
#include "support/fake_log.hpp"
#include "unit/io/loop.hpp"

#include <semaphore>
#include <thread>

namespace nbdstream::test {
namespace {

namespace calls = fake_module_calls;
using namespace std::chrono_literals;

awaitable<void> wait(io::condition& for_this, bool& done) {
  co_await for_this.wait();
  done = true;
}

struct WokenSink : ::testing::Test {
  loop l;
  fake_log log;
  module_script script;
  sink::module module = fake_module(script);
  std::unique_ptr<sink::module_sink> made;
  sink_outcome o;

  WokenSink() {
    module.table.check = calls::check;
    script.wait.timeout_ns = std::chrono::nanoseconds(1h).count();
  }

  sink::module_sink& make() {
    sink::settings none("fake", {}, {});
    made = std::make_unique<sink::module_sink>(l.executor(), module, std::move(none), 10s, log);
    return *made;
  }
  sink::module_sink& opened(sink::stream_info info = {}) {
    auto& s = made ? *made : make();
    run(open(s, std::move(info), o));
    EXPECT_FALSE(o.failed) << o.failed.why;
    return s;
  }
  void run(awaitable<void> task) {
    o = {};
    l.spawn(std::move(task));
    l.finish();
  }
  void wake() const { script.host->wake(script.host); }
  /// Lets the loop do what it was woken for.
  void look() {
    l.finish();
    l.poll();
  }
  /// From now on each check fails.
  void fail_checks() {
    script.answer = [this](const char* call) -> std::int64_t {
      if (std::string_view(call) != "check") return 0;
      script.host->explain(script.host, "the bucket is gone");
      return -EPIPE;
    };
  }
};

TEST_F(WokenSink, IsCheckedOnTheLoopBetweenCalls) {
  opened();
  std::thread([this] { wake(); }).join();
  look();
  EXPECT_EQ(script.all(), "open check");
  EXPECT_TRUE(script.on_loop.back());
}

TEST_F(WokenSink, ManyWakesCauseOneCheck) {
  opened();
  for (int i = 0; i < 100; ++i) wake();
  look();
  EXPECT_EQ(script.all(), "open check");
  wake();
  look();
  EXPECT_EQ(script.all(), "open check check");
}

TEST_F(WokenSink, IsNotCheckedWithoutAnOpenStream) {
  auto& s = make();
  const auto wake_it = [&] {
    wake();
    look();
  };
  wake_it();
  run(open(s, {}, o));
  run(commit(s, o));
  wake_it();
  run(open(s, {}, o));
  run(abort(s, o));
  wake_it();
  EXPECT_EQ(script.all(), "open commit open abort");
}

TEST_F(WokenSink, IsNotCheckedAfterACallThatFailed) {
  auto& s = opened();
  script.answer = [](const char*) { return -EIO; };
  run(write(s, "abc", o));
  wake();
  look();
  EXPECT_EQ(script.all(), "open write");
}

TEST_F(WokenSink, WithoutACheckFunctionNothingIsCalled) {
  module.table.check = nullptr;
  opened();
  wake();
  look();
  EXPECT_EQ(script.all(), "open");
}

TEST_F(WokenSink, FailedCheckFailsEveryOperationUntilAbort) {
  auto& s = opened();
  io::condition changed(l.executor());
  s.announce_trouble(changed);
  bool announced = false;
  l.spawn(wait(changed, announced));
  fail_checks();
  EXPECT_EQ(s.trouble(), nullptr);
  wake();
  look();
  EXPECT_TRUE(announced);
  ASSERT_NE(s.trouble(), nullptr);
  EXPECT_EQ(s.trouble()->code.value(), EPIPE);
  EXPECT_EQ(s.trouble()->why, "the bucket is gone");
  run(write(s, "abc", o));
  EXPECT_EQ(o.failed.why, "the bucket is gone");
  run(commit(s, o));
  EXPECT_EQ(o.failed.why, "the bucket is gone");
  EXPECT_EQ(script.all(), "open check") << "the module is asked nothing more";
  run(abort(s, o));
  EXPECT_EQ(s.trouble(), nullptr);
  opened();
  EXPECT_EQ(script.all(), "open check abort open");
}

TEST_F(WokenSink, WakeRepeatsACallThatReturnedEagain) {
  for (const bool blocks : {false, true}) {
    module.table.blocking = blocks ? NBDSTREAM_BLOCKING_WRITE : 0;
    made.reset();
    auto& s = opened();
    std::atomic<bool> ready = false;
    std::atomic<int> writes = 0;
    script.answer = [&](const char* call) {
      if (std::string_view(call) != "write") return 0;
      ++writes;
      return ready ? 0 : -EAGAIN;
    };
    sink_outcome writing;
    l.spawn(write(s, "abc", writing));
    ASSERT_TRUE(l.until([&] { return writes == 1; }));
    l.poll();
    EXPECT_FALSE(writing.done);
    ready = true;
    wake();
    ASSERT_TRUE(l.until([&] { return writing.done; }));
    EXPECT_FALSE(writing.failed);
    EXPECT_EQ(writes, 2);
    EXPECT_EQ(script.data, "abc");
    script.data.clear();
    script.answer = nullptr;
  }
}

/// Between "not now" and the wait that follows, nothing that was said may be lost.
TEST_F(WokenSink, WakeDuringACallRepeatsItAfterEagain) {
  module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
  auto& s = opened();
  std::atomic<int> writes = 0;
  script.answer = [&](const char* call) {
    if (std::string_view(call) != "write" || ++writes > 1) return 0;
    wake();
    return -EAGAIN;
  };
  run(write(s, "abc", o));
  EXPECT_FALSE(o.failed);
  EXPECT_EQ(writes, 2);
}

TEST_F(WokenSink, WakeDuringACallIsCheckedAfterwards) {
  module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
  auto& s = opened();
  std::binary_semaphore began(0);
  std::binary_semaphore go_on(0);
  script.answer = [&](const char* call) {
    if (std::string_view(call) != "write") return 0;
    began.release();
    return go_on.try_acquire_for(10s) ? 0 : -ETIMEDOUT;
  };
  sink_outcome writing;
  l.spawn(write(s, "abc", writing));
  l.poll();
  ASSERT_TRUE(began.try_acquire_for(10s));
  wake();
  l.poll();
  EXPECT_EQ(std::ranges::count(script.calls, "check"), 0);
  go_on.release();
  look();
  EXPECT_FALSE(writing.failed);
  EXPECT_EQ(script.calls.back(), "check");
}

TEST_F(WokenSink, FailedCheckEndsAWriteToAFullPipe) {
  for (const std::uint32_t flags : {0U, std::uint32_t{NBDSTREAM_FD_SHARED}}) {
    made.reset();
    auto p = make_pipe();
    module.table.native_fd = calls::native_fd;
    script.fd = p.write.get();
    script.fd_flags = flags;
    script.answer = nullptr;
    auto& s = opened();
    sink_outcome writing;
    l.spawn(write(s, std::string(1'000'000, 'x'), writing));
    l.poll();
    EXPECT_FALSE(writing.done);
    fail_checks();
    wake();
    ASSERT_TRUE(l.until([&] { return writing.done; }));
    EXPECT_EQ(writing.failed.why, "the bucket is gone");
    run(abort(s, o));
  }
}

TEST_F(WokenSink, DestructionAfterAWakeIsSafe) {
  opened();
  wake();
  made.reset();
  look();
  EXPECT_EQ(script.all(), "open");
}

TEST_F(WokenSink, AcknowledgedIsTheHighestReportedProgress) {
  auto& s = opened();
  EXPECT_EQ(s.acknowledged(), std::nullopt);
  const auto tell = [this](std::uint64_t n) { script.host->progress(script.host, n); };
  std::thread([&] { tell(0); }).join();
  EXPECT_EQ(s.acknowledged(), 0U);
  tell(1000);
  tell(999);
  EXPECT_EQ(s.acknowledged(), 1000U);
  run(commit(s, o));
  opened();
  EXPECT_EQ(s.acknowledged(), std::nullopt) << "it is another stream";
  tell(UINT64_MAX);
  EXPECT_EQ(s.acknowledged(), UINT64_MAX - 1);
}

TEST_F(WokenSink, OpenGetsIdTimeAndSizeFlags) {
  sink::stream_info info;
  info.id = 7;
  info.size = 1000;
  info.unique_id = "0123456789abcdef0123456789abcdef";
  info.began = std::chrono::system_clock::time_point(1700000000s + 5us);
  opened(info);
  EXPECT_EQ(script.unique_id, info.unique_id);
  EXPECT_EQ(script.stream.began_ns, 1'700'000'000'000'005'000);
  EXPECT_EQ(script.stream.flags, std::uint32_t{NBDSTREAM_STREAM_SIZE_KNOWN});
  run(commit(*made, o));
  info.size_is_exact = true;
  opened(info);
  EXPECT_EQ(script.stream.flags,
            std::uint32_t{NBDSTREAM_STREAM_SIZE_KNOWN | NBDSTREAM_STREAM_SIZE_EXACT});
  run(commit(*made, o));
  info.size.reset();
  opened(info);
  EXPECT_EQ(script.stream.flags, 0U);
}

}  // namespace
}  // namespace nbdstream::test
