// SPDX-License-Identifier: BSD-3-Clause
#include "fake_module.hpp"
#include "operations.hpp"
#include "sink/module_sink.hpp"
#include "support/fake_log.hpp"
#include "unit/io/loop.hpp"

#include <memory>

namespace nbdstream::test {
namespace {

namespace calls = fake_module_calls;

constexpr std::size_t sent_file_size = 700'001;

struct file_fixture {
  loop l;
  fake_log log;
  module_script script;
  sink::module module = fake_module(script);
  std::unique_ptr<sink::module_sink> made;
  ends pipe = make_pipe();
  std::string data = numbered(sent_file_size);
  io::unique_fd file{::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  sink_outcome o;

  file_fixture() {
    EXPECT_EQ(::pwrite(file.get(), data.data(), sent_file_size, 0),
              static_cast<ssize_t>(sent_file_size));
  }
  void lend_pipe() {
    module.table.native_fd = calls::native_fd;
    script.fd = pipe.write.get();
  }
  sink::module_sink& opened(bool copy_only = false) {
    sink::settings none("fake", {}, {});
    made = std::make_unique<sink::module_sink>(l.executor(), module, std::move(none),
                                               std::chrono::seconds(10), log, copy_only);
    run(open(*made, o));
    EXPECT_FALSE(o.failed);
    return *made;
  }
  void run(awaitable<void> task) {
    l.spawn(std::move(task));
    l.finish();
  }
};

TEST(ModuleSinkFile, IsWrittenByTheModulesWrite) {
  for (const bool blocks : {false, true}) {
    file_fixture f;
    if (blocks) f.module.table.blocking = NBDSTREAM_BLOCKING_WRITE;
    f.script.most = 100'000;
    auto& s = f.opened();
    f.run(write_file(s, f.file.get(), 3, sent_file_size - 3, f.o));
    EXPECT_FALSE(f.o.failed) << f.o.failed.why;
    EXPECT_TRUE(f.script.data == f.data.substr(3));
    EXPECT_EQ(s.in_transit(), 0u);
    EXPECT_EQ(f.script.on_loop.back(), !blocks);
  }
}

TEST(ModuleSinkFile, IsSentToThePipeOfTheModule) {
  for (const bool copy_only : {false, true}) {
    file_fixture f;
    f.lend_pipe();
    auto& s = f.opened(copy_only);
    f.run(write_file(s, f.file.get(), 1, 30'000, f.o));
    EXPECT_FALSE(f.o.failed) << f.o.failed.why;
    EXPECT_EQ(s.in_transit(), copy_only ? 0u : 30'000u);
    EXPECT_TRUE(drain(f.pipe.read.get()) == f.data.substr(1, 30'000));
    EXPECT_EQ(s.in_transit(), 0u);
    EXPECT_EQ(f.script.all(), "open");
  }
}

TEST(ModuleSinkFile, TransitIsUnknownAfterTheStreamEnds) {
  for (const bool commits : {false, true}) {
    file_fixture f;
    f.lend_pipe();
    auto& s = f.opened();
    f.run(write_file(s, f.file.get(), 1, 30'000, f.o));
    f.run(commits ? commit(s, f.o) : abort(s, f.o));
    EXPECT_EQ(s.in_transit(), UINT64_MAX);
    drain(f.pipe.read.get());
    f.run(open(s, f.o));
    EXPECT_EQ(s.in_transit(), 0u);
  }
}

TEST(ModuleSinkFile, ShortFileGivesEio) {
  for (const bool lends : {false, true}) {
    file_fixture f;
    if (lends) f.lend_pipe();
    auto& s = f.opened();
    f.run(write_file(s, f.file.get(), sent_file_size - 10, 11, f.o));
    EXPECT_EQ(f.o.failed.code.value(), EIO);
    EXPECT_FALSE(f.o.failed.why.empty());
  }
}

TEST(ModuleSinkFile, FailureHasTheModulesExplanation) {
  file_fixture f;
  auto& s = f.opened();
  f.script.answer = [&f](const char*) {
    f.script.host->explain(f.script.host, "the tape is full");
    return -ENOSPC;
  };
  f.run(write_file(s, f.file.get(), 0, sent_file_size, f.o));
  EXPECT_EQ(f.o.failed.why, "the tape is full");
}

TEST(ModuleSinkFile, AbortEndsAWriteThatWaits) {
  for (const bool lends : {false, true}) {
    file_fixture f;
    if (lends) f.lend_pipe();
    f.script.answer = [](const char* call) { return std::string(call) == "write" ? -EAGAIN : 0; };
    f.script.wait.timeout_ns = 3'600'000'000'000;
    auto& s = f.opened();
    sink_outcome writing;
    f.l.spawn(write_file(s, f.file.get(), 0, sent_file_size, writing));
    f.l.poll();
    EXPECT_FALSE(writing.done);
    f.run(abort(s, f.o));
    EXPECT_EQ(writing.failed.code, asio::error::operation_aborted);
    f.script.answer = nullptr;
    f.run(open(s, f.o));
    EXPECT_FALSE(f.o.failed) << "abort ends the cancellation";
  }
}

TEST(ModuleSinkFile, FailsAtOnceAfterCancel) {
  for (const bool lends : {false, true}) {
    file_fixture f;
    if (lends) f.lend_pipe();
    auto& s = f.opened();
    s.cancel();
    f.run(write_file(s, f.file.get(), 0, sent_file_size, f.o));
    EXPECT_EQ(f.o.failed.code, asio::error::operation_aborted);
    EXPECT_TRUE(f.script.data.empty());
  }
}

}  // namespace
}  // namespace nbdstream::test
