// SPDX-License-Identifier: BSD-3-Clause
#include "sink/module_sink.hpp"

#include "fake_module.hpp"
#include "operations.hpp"
#include "support/fake_log.hpp"
#include "support/temp_directory.hpp"
#include "unit/io/loop.hpp"

#include <sys/ioctl.h>

#include <memory>

namespace nbdstream::test {
namespace {

namespace calls = fake_module_calls;
using std::chrono::milliseconds;

struct module_sink_fixture {
  loop l;
  fake_log log;
  module_script script;
  sink::module module = fake_module(script);
  std::unique_ptr<sink::module_sink> made;
  sink_outcome o;

  sink::module_sink& make(milliseconds grace = std::chrono::seconds(10)) {
    sink::settings none("fake", {}, {});
    made = std::make_unique<sink::module_sink>(l.executor(), module, std::move(none), grace, log);
    return *made;
  }
  void spawn(awaitable<void> task) {
    o = {};
    l.spawn(std::move(task));
  }
};

TEST(ModuleSink, CallsTheModuleForEachStepOfAStream) {
  module_sink_fixture f;
  f.module.table.zero = calls::zero;
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.finish();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  f.spawn(zeroes(s, 5, f.o));
  f.l.finish();
  f.spawn(commit(s, f.o));
  f.l.finish();
  EXPECT_FALSE(f.o.failed);
  EXPECT_EQ(f.script.all(), "open write zero commit");
  EXPECT_EQ(f.script.data, std::string("abc\0\0\0\0\0", 8));
  f.made.reset();
  EXPECT_TRUE(f.script.destroyed);
}

TEST(ModuleSink, ShortWritesAreRepeatedUntilAllIsTaken) {
  module_sink_fixture f;
  f.script.most = 7;
  auto& s = f.make();
  f.spawn(write(s, numbered(100), f.o));
  f.l.finish();
  EXPECT_EQ(f.script.data, numbered(100));
  f.script.data.clear();
  f.spawn(zeroes(s, 100, f.o));  // without a function for it: written
  f.l.finish();
  EXPECT_EQ(f.script.data, std::string(100, '\0'));
}

TEST(ModuleSink, ZeroesAreWrittenIfTheModuleReturnsEnotsup) {
  module_sink_fixture f;
  f.module.table.zero = calls::zero;
  f.script.answer = [](const char* call) { return std::string(call) == "zero" ? -ENOTSUP : 0; };
  auto& s = f.make();
  f.spawn(zeroes(s, 200'000, f.o));
  f.l.finish();
  EXPECT_FALSE(f.o.failed);
  EXPECT_TRUE(f.script.data == std::string(200'000, '\0'));
}

TEST(ModuleSink, CallIsRepeatedAfterEagain) {
  module_sink_fixture f;
  int left = 3;
  f.script.answer = [&](const char*) { return left-- > 0 ? -EAGAIN : 0; };
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.finish();
  EXPECT_FALSE(f.o.failed);
  EXPECT_EQ(f.script.calls.size(), 4u);
}

TEST(ModuleSink, EagainWithoutWaitForGivesEproto) {
  for (const bool without_function : {true, false}) {
    module_sink_fixture f;
    f.script.answer = [](const char*) { return -EAGAIN; };
    f.script.wait.timeout_ns = -1;
    if (without_function) f.module.table.wait_for = nullptr;
    auto& s = f.make();
    f.spawn(open(s, f.o));
    f.l.finish();
    EXPECT_EQ(f.o.failed.code.value(), EPROTO);
    EXPECT_NE(f.o.failed.why.find("did not say when"), std::string::npos);
  }
}

TEST(ModuleSink, ImpossibleCountGivesEproto) {
  module_sink_fixture f;
  f.script.answer = [](const char*) { return 1000; };
  auto& s = f.make();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  EXPECT_EQ(f.o.failed.code.value(), EPROTO);
}

TEST(ModuleSink, FailureHasTheModulesExplanation) {
  module_sink_fixture f;
  f.script.answer = [&f](const char*) {
    f.script.host->explain(f.script.host, "the tape is full");
    return -ENOSPC;
  };
  auto& s = f.make();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  EXPECT_EQ(f.o.failed.code.value(), ENOSPC);
  EXPECT_EQ(f.o.failed.why, "the tape is full");
  f.script.answer = [](const char*) { return -EIO; };
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  EXPECT_EQ(f.o.failed.why, from_errno(EIO).message()) << "an explanation is for one call";
}

TEST(ModuleSink, EcanceledWithoutCancelIsAFailure) {
  module_sink_fixture f;
  f.script.answer = [](const char*) { return -ECANCELED; };
  auto& s = f.make();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  EXPECT_TRUE(f.o.failed);
  EXPECT_EQ(f.script.all(), "write");
}

TEST(ModuleSink, ModuleThatRefusesCreationThrows) {
  module_sink_fixture f;
  f.script.create_result = -EINVAL;
  try {
    f.make();
    ADD_FAILURE();
  } catch (const sink::create_error& e) {
    EXPECT_STREQ(e.what(), "sink fake: told to refuse");
  }
  EXPECT_FALSE(f.script.destroyed);
}

TEST(ModuleSink, BlockingCallsRunOnTheThreadAndOthersOnTheLoop) {
  module_sink_fixture f;
  f.module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.finish();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  f.spawn(commit(s, f.o));
  f.l.finish();
  EXPECT_EQ(f.script.on_loop, (std::vector<bool>{true, false, true}));
}

TEST(ModuleSink, CancelFailsWaitingAndLaterCallsUntilAbort) {
  module_sink_fixture f;
  f.script.answer = [](const char* call) { return std::string(call) == "abort" ? 0 : -EAGAIN; };
  f.script.wait.timeout_ns = 3'600'000'000'000;
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.poll();
  EXPECT_FALSE(f.o.done);
  s.cancel();
  f.l.finish();
  EXPECT_EQ(f.o.failed.code, asio::error::operation_aborted);
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  EXPECT_EQ(f.o.failed.code, asio::error::operation_aborted);
  f.spawn(abort(s, f.o));
  f.l.finish();
  EXPECT_EQ(f.script.all(), "open abort");
  f.script.answer = nullptr;
  f.spawn(open(s, f.o));
  f.l.finish();
  EXPECT_FALSE(f.o.failed) << "abort ends the cancellation";
}

TEST(ModuleSink, AbortInterruptsAndAwaitsABlockingCall) {
  module_sink_fixture f;
  f.module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
  f.module.table.interrupt = calls::interrupt;
  f.script.answer = [&f](const char* call) {
    if (std::string(call) != "write") return 0;
    while (f.script.interrupts == 0) std::this_thread::yield();
    return -EINTR;
  };
  auto& s = f.make();
  sink_outcome writing;
  f.l.spawn(write(s, "abc", writing));
  f.l.poll();
  f.spawn(abort(s, f.o));
  f.l.finish();
  EXPECT_TRUE(writing.failed);
  EXPECT_EQ(f.script.all(), "write abort");
}

TEST(ModuleSink, IsBusyUntilAnUninterruptibleCallReturns) {
  using activity = sink::sink::activity;
  module_sink_fixture f;
  f.module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
  std::atomic<bool> release = false;
  f.script.answer = [&](const char* call) {
    while (std::string(call) == "write" && !release) std::this_thread::yield();
    return 0;
  };
  auto& s = f.make(milliseconds(1));
  EXPECT_EQ(s.busy(), activity::none);
  sink_outcome writing;
  f.l.spawn(write(s, "abc", writing));
  f.spawn(abort(s, f.o));
  f.l.poll();
  EXPECT_EQ(s.busy(), activity::working);
  EXPECT_FALSE(f.o.done);
  release = true;
  f.l.finish();
  EXPECT_TRUE(f.o.done);
  EXPECT_EQ(f.script.all(), "write abort") << "nothing was abandoned";
}

TEST(ModuleSink, LongestTimeoutDoesNotOverflow) {
  module_sink_fixture f;
  f.script.answer = [](const char* call) { return std::string(call) == "abort" ? 0 : -EAGAIN; };
  f.script.wait.timeout_ns = std::numeric_limits<std::int64_t>::max();
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.poll();
  EXPECT_FALSE(f.o.done);
  EXPECT_EQ(f.script.all(), "open") << "it is not asked again at once";
  sink_outcome aborting;
  f.l.spawn(abort(s, aborting));
  f.l.finish();
}

TEST(ModuleSink, EndlessAbortEndsWithTheGrace) {
  module_sink_fixture f;
  f.script.answer = [](const char*) { return -EAGAIN; };
  auto& s = f.make(milliseconds(30));
  f.spawn(abort(s, f.o));
  f.l.finish();
  EXPECT_TRUE(f.o.done);
  EXPECT_TRUE(f.log.says("abort"));
}

TEST(ModuleSink, PipeOfTheModuleIsWrittenDirectly) {
  module_sink_fixture f;
  auto p = make_pipe();
  f.module.table.native_fd = calls::native_fd;
  f.script.fd = p.write.get();
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.finish();
  f.spawn(write(s, "abc", f.o));
  f.l.finish();
  f.spawn(zeroes(s, 2, f.o));
  f.l.finish();
  EXPECT_EQ(drain(p.read.get()), std::string("abc\0\0", 5));
  EXPECT_EQ(f.script.all(), "open");
}

TEST(ModuleSink, WriteByTheHostDoesNotInterruptTheModule) {
  // A shared pipe that is full: the host's own write blocks on the thread, not a module's call.
  module_sink_fixture f;
  auto p = make_pipe();
  f.module.table.native_fd = calls::native_fd;
  f.module.table.interrupt = calls::interrupt;
  f.script.fd = p.write.get();
  f.script.fd_flags = NBDSTREAM_FD_SHARED;
  auto& s = f.make();
  f.spawn(open(s, f.o));
  f.l.finish();
  sink_outcome writing;
  f.l.spawn(write(s, numbered(1'000'000), writing));
  EXPECT_TRUE(f.l.until([&] {
    int held = 0;
    return ::ioctl(p.read.get(), FIONREAD, &held) == 0 &&
           held == ::fcntl(p.write.get(), F_GETPIPE_SZ);
  }));
  f.spawn(abort(s, f.o));
  f.l.finish();
  EXPECT_EQ(writing.failed.code, asio::error::operation_aborted);
  EXPECT_EQ(f.script.interrupts, 0) << "sink.h: only calls in a declared blocking phase are";
}

}  // namespace
}  // namespace nbdstream::test
