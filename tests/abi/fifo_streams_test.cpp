// SPDX-License-Identifier: BSD-3-Clause
//
// One stream after another through the sink `fifo`: none merged with the next, none lost.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

constexpr int many = 200;

struct FifoStreams : ::testing::Test {
  directory here;
  const std::string path = here / "output";
  const std::string module = in_tree_sink("fifo");

  void make_foreign() const { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); }

  [[nodiscard]] std::string copy(int number) const {
    return here / ("copy" + std::to_string(number));
  }

  static std::string data_of(int number) {
    return pattern(1 + static_cast<size_t>(number) * 331, static_cast<unsigned>(number));
  }

  /// A `cat` for each stream, one after another, as in a backup script.
  [[nodiscard]] process cats() const {
    return process::running({"sh", "-c",
                             "i=0; while [ $i -lt " + std::to_string(many) +
                                 " ]; do cat \"$0\" > \"$1$i\" || exit 1; i=$((i+1)); done",
                             path, here / "copy"});
  }

  /// A reader that opens the path again within microseconds of the end of the file.
  [[nodiscard]] process quick_reader() const {
    return process([this] {
      for (int number = 0; number < many; ++number) {
        const descriptor fifo(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        create_file(copy(number), read_from(fifo.get()));
      }
      return 0;
    });
  }

  /// Sends the streams to the reader that `start_reader` starts once the FIFO exists.
  void expect_all_arrive(process (FifoStreams::*start_reader)() const) const {
    sink fifo(module, {{"path", path}});
    ASSERT_EQ(fifo.created, 0);
    process reader = (this->*start_reader)();
    for (int number = 0; number < many; ++number)
      ASSERT_EQ(fifo.stream(data_of(number)), 0) << number << ": " << fifo.explanation();
    EXPECT_EQ(reader.wait(), 0);
    for (int number = 0; number < many; ++number)
      EXPECT_TRUE(contents_of(copy(number)) == data_of(number)) << number;
  }

  /// Settings with which a commit does not wait until the reader closes the FIFO.
  [[nodiscard]] settings without_waiting() const {
    return {{"path", path}, {"close-timeout", "0s"}};
  }

  /// Sends one stream. Its reader keeps the FIFO open.
  descriptor first_stream(sink& fifo) const {
    descriptor reader = reader_of(path);
    EXPECT_EQ(fifo.open(), 0);
    EXPECT_EQ(fifo.send("first"), 0);
    EXPECT_EQ(read_from(reader.get(), 5), "first");
    EXPECT_EQ(fifo.commit(5), 0);
    return reader;
  }
};

TEST_F(FifoStreams, CreatedFifoCarries200StreamsToOneCatEach) {
  expect_all_arrive(&FifoStreams::cats);
}

TEST_F(FifoStreams, CreatedFifoCarries200StreamsToQuickReader) {
  expect_all_arrive(&FifoStreams::quick_reader);
}

TEST_F(FifoStreams, ExistingFifoCarries200StreamsToOneCatEach) {
  make_foreign();
  expect_all_arrive(&FifoStreams::cats);
}

TEST_F(FifoStreams, ExistingFifoCarries200StreamsToQuickReader) {
  make_foreign();
  expect_all_arrive(&FifoStreams::quick_reader);
}

TEST_F(FifoStreams, CreatedFifoIsReplacedByEqualOneAfterEachStream) {
  sink fifo(module, {{"path", path}});
  ASSERT_EQ(::chmod(path.c_str(), 0622), 0);
  for (const bool complete : {true, false}) {
    const struct stat before = status_of(path);
    const descriptor reader = reader_of(path);
    ASSERT_EQ(fifo.open(), 0);
    EXPECT_EQ(complete ? fifo.commit() : fifo.abort(), 0);
    EXPECT_NE(status_of(path).st_ino, before.st_ino);
    EXPECT_EQ(status_of(path).st_mode, before.st_mode);
    EXPECT_EQ(status_of(path).st_uid, before.st_uid);
    EXPECT_EQ(here.names().size(), 1U);
    EXPECT_EQ(fifo.open(), -EAGAIN) << "the old reader does not read the new FIFO";
    EXPECT_EQ(fifo.abort(), 0);
  }
}

TEST_F(FifoStreams, FileThatReplacedCreatedFifoIsKept) {
  sink fifo(module, {{"path", path}});
  const descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  create_file(path, "precious");
  EXPECT_EQ(fifo.commit(), 0);
  EXPECT_EQ(contents_of(path), "precious");
}

TEST_F(FifoStreams, NextStreamWaitsUntilReaderClosesExistingFifo) {
  make_foreign();
  sink fifo(module, without_waiting());
  descriptor reader = first_stream(fifo);
  ASSERT_EQ(fifo.open(), -EAGAIN);
  EXPECT_GE(fifo.wait().fd, 0) << "inotify announces it";
  ASSERT_EQ(fifo.open(), -EAGAIN);
  reader.reset();
  const descriptor next = reader_of(path);
  EXPECT_EQ(fifo.stream(""), 0);
  EXPECT_EQ(read_from(next.get()), "");
}

TEST_F(FifoStreams, NextStreamDoesNotContinueAbortedOne) {
  make_foreign();
  sink fifo(module, without_waiting());
  const descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  ASSERT_EQ(fifo.send("torn"), 0);
  ASSERT_EQ(fifo.abort(), 0);
  EXPECT_EQ(fifo.open(), -EAGAIN);
  EXPECT_EQ(read_from(reader.get()), "torn");
}

TEST_F(FifoStreams, NextStreamStartsAtOnceAfterReaderLeft) {
  make_foreign();
  sink fifo(module, {{"path", path}});
  descriptor reader = reader_of(path);
  ASSERT_EQ(fifo.open(), 0);
  reader.reset();
  ASSERT_EQ(fifo.commit(), 0);
  const descriptor next = reader_of(path);
  EXPECT_EQ(fifo.open(), 0);
}

TEST_F(FifoStreams, NextStreamIgnoresReaderOfReplacedFifo) {
  make_foreign();
  sink fifo(module, without_waiting());
  const descriptor reader = first_stream(fifo);
  ASSERT_EQ(fifo.open(), -EAGAIN);
  ASSERT_EQ(::rename(path.c_str(), (here / "old").c_str()), 0);
  make_foreign();
  const descriptor next = reader_of(path);
  EXPECT_EQ(fifo.open_patiently(), 0);
}

TEST_F(FifoStreams, NextStreamWaitsForReaderWithoutInotify) {
  make_foreign();
  sink fifo(module, without_waiting());
  descriptor reader = reader_of(path);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The lock and the write end take the last two descriptors.
  const auto limit = static_cast<rlim_t>(descriptor(::dup(reader.get())).get()) + 2;
  const rlimit tight{limit, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const int opened = fifo.open();
  const int committed = fifo.commit();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_EQ(opened, 0);
  ASSERT_EQ(committed, 0);
  ASSERT_EQ(fifo.open(), -EAGAIN);
  EXPECT_EQ(fifo.wait().fd, -1) << "inotify would be";
  reader.reset();
  ASSERT_EQ(fifo.open(), -EAGAIN) << "no reader has the FIFO open";
  const descriptor next = reader_of(path);
  EXPECT_EQ(fifo.stream(""), 0);
}

TEST_F(FifoStreams, CreatedFifoIsNotReplacedInUnwritableDirectory) {
  sink fifo(module, without_waiting());
  const struct stat before = status_of(path);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(here.path().c_str(), 0555), 0);
  // In a child that gives up its capabilities, since permissions do not restrict root with them.
  process child([&] {
    __user_cap_header_struct self{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capset, &self, none) != 0) return 1;
    const descriptor reader = first_stream(fifo);
    if (fifo.open() != -EAGAIN || fifo.wait().fd < 0) return 2;
    return status_of(path).st_ino == before.st_ino ? 0 : 3;
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(::chmod(here.path().c_str(), 0755), 0);
}

}  // namespace
}  // namespace sink_tests
