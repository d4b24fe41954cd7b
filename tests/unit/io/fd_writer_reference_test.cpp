// SPDX-License-Identifier: BSD-3-Clause
//
// fd_writer by reference: what a socket has received, and zeroes, into a pipe without a copy.
#include "io/fd_writer.hpp"
#include "io/zero_pipe.hpp"
#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <memory>

namespace nbdstream::test {
namespace {

struct reference_rig {
  loop l;
  ends pipe = make_pipe();
  io::fd_waiter ready{l.executor()};
  io::worker thread{l.executor()};
  std::atomic<bool> stop = false;
  [[nodiscard]] bool waits() const { return ready.waiting() || thread.busy(); }
  io::fd_writer writer;
  ends socket = make_socketpair();  ///< the server's end, and the client's

  explicit reference_rig(bool shared = false, bool copy_only = false)
      : writer(pipe.write.get(), shared, ready, thread, stop, copy_only) {
    ::fcntl(socket.read.get(), F_SETFL, O_NONBLOCK);
  }
  void client_sends(std::string_view text) const {
    ASSERT_EQ(::write(socket.write.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void make_small() const { ASSERT_EQ(::fcntl(pipe.write.get(), F_SETPIPE_SZ, 4096), 4096); }
  std::string take(std::size_t count) {
    std::string got;
    EXPECT_TRUE(l.until([&] {
      got += drain(pipe.read.get());
      return got.size() >= count;
    })) << got.size();
    return got;
  }
};

using spliced = io::splice_result;

awaitable<void> splice(reference_rig& r, std::uint64_t count, spliced& did) {
  did = co_await r.writer.splice(r.socket.read.get(), count);
}
spliced splice(reference_rig& r, std::uint64_t count) {
  spliced did;
  r.l.spawn(splice(r, count, did));
  r.l.finish();
  return did;
}
awaitable<void> write_zeroes(reference_rig& r, std::uint64_t count, error_code& error) {
  error = co_await r.writer.write_zeroes(count);
}

TEST(FdWriterSplice, MovesNoMoreThanItIsAskedFor) {
  reference_rig r;
  r.client_sends("paid for, and the next header");
  EXPECT_EQ(splice(r, 8).moved, 8u);
  EXPECT_EQ(drain(r.pipe.read.get()), "paid for");
  EXPECT_EQ(drain(r.socket.read.get()), ", and the next header");
}

TEST(FdWriterSplice, SaysThatTheSocketHasNothing) {
  reference_rig r;
  const auto did = splice(r, 8);
  EXPECT_TRUE(did.source_empty);
  EXPECT_FALSE(did.error);
}

TEST(FdWriterSplice, ReturnsWhatItHasMovedBeforeTheSocketIsEmpty) {
  reference_rig r;
  r.client_sends("half");
  const auto did = splice(r, 8);
  EXPECT_EQ(did.moved, 4u);
  EXPECT_FALSE(did.source_empty) << "ask again";
}

TEST(FdWriterSplice, KnowsTheEndOfTheSocket) {
  reference_rig r;
  r.socket.write.reset();
  const auto did = splice(r, 8);
  EXPECT_EQ(did.moved, 0u);
  EXPECT_FALSE(did.error || did.source_empty || did.unsupported);
}

awaitable<void> splice_all(reference_rig& r, std::uint64_t count) {
  spliced did;
  while (count > 0 && !did.error && !did.source_empty) {
    did = co_await r.writer.splice(r.socket.read.get(), count);
    count -= did.moved;
  }
  EXPECT_FALSE(did.error || did.source_empty);
}

TEST(FdWriterSplice, WaitsForRoomInAFullPipeAndNotForTheSocket) {
  // A slot may hold less than a page of what a socket has received.
  for (const bool shared : {false, true}) {
    reference_rig r(shared);
    r.make_small();
    const auto data = numbered(50'001);
    r.client_sends(data);
    r.l.spawn(splice_all(r, data.size()));
    EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
    EXPECT_EQ(r.l.running(), 1);
    EXPECT_TRUE(r.take(data.size()) == data);
    r.l.finish();
  }
}

TEST(FdWriterSplice, DoesNotTouchTheFlagsOfASharedPipe) {
  reference_rig r(true);
  r.client_sends("x");
  EXPECT_EQ(splice(r, 1).moved, 1u);
  EXPECT_FALSE(nonblocking(r.pipe.write.get()));
}

TEST(FdWriterSplice, FailsWithTheReaderThatGoesAway) {
  reference_rig r;
  r.pipe.read.reset();
  r.client_sends("lost");
  const auto did = splice(r, 4);
  EXPECT_EQ(did.error.value(), EPIPE);
  EXPECT_FALSE(did.unsupported);
}

TEST(FdWriterSplice, StopsWhereItWaitsForASlowReader) {
  reference_rig r;
  r.make_small();
  r.client_sends(numbered(50'001));
  EXPECT_LT(splice(r, 50'001).moved, 50'001u);
  spliced did;
  r.l.spawn(splice(r, 4096, did));
  EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
  r.stop = true;
  r.ready.cancel();
  r.l.finish();
  EXPECT_EQ(did.error, asio::error::operation_aborted);
}

TEST(FdWriterSplice, IsNotForSocketsAndDevicesNorWhereCopiesAreAskedFor) {
  EXPECT_FALSE(reference_rig(false, true).writer.splices());
  reference_rig r;
  EXPECT_TRUE(r.writer.splices());
  const io::unique_fd device(::open("/dev/zero", O_WRONLY | O_CLOEXEC));
  for (const int fd : {device.get(), r.socket.write.get()}) {
    const io::fd_writer other(fd, false, r.ready, r.thread, r.stop);
    EXPECT_FALSE(other.splices());
  }
}

/// The same with a file instead of the pipe.
struct reference_file_rig {
  reference_rig r;
  temp_directory directory;
  io::unique_fd file;
  io::fd_writer writer;

  explicit reference_file_rig(int flags = 0)
      : file(::open((directory / "f").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | flags, 0600)),
        writer(file.get(), false, r.ready, r.thread, r.stop) {}

  spliced splice(std::uint64_t count) {
    spliced did;
    r.l.spawn(splice_to(*this, count, did));
    r.l.finish();
    return did;
  }
  static awaitable<void> splice_to(reference_file_rig& f, std::uint64_t count, spliced& did) {
    did = co_await f.writer.splice(f.r.socket.read.get(), count);
  }
  std::string contents() const {
    std::ifstream in(directory / "f", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST(FdWriterSplice, MovesToAFileNoMoreThanItIsAskedFor) {
  reference_file_rig f;
  EXPECT_TRUE(f.writer.splices());
  EXPECT_TRUE(f.splice(8).source_empty);
  const auto data = numbered(100'000);
  f.r.client_sends(data + "and the next header");
  std::uint64_t moved = 0;
  while (moved < data.size()) {
    const auto did = f.splice(data.size() - moved);
    ASSERT_FALSE(did.error || did.source_empty || did.unsupported);
    ASSERT_GT(did.moved, 0u);
    moved += did.moved;
  }
  EXPECT_TRUE(f.contents() == data);
  EXPECT_EQ(drain(f.r.socket.read.get()), "and the next header");
  f.r.socket.write.reset();
  const auto did = f.splice(8);
  EXPECT_FALSE(did.moved > 0 || did.error || did.source_empty || did.unsupported);
}

// splice(2) refuses such a file, when the bytes have left the socket already.
TEST(FdWriterSplice, WritesToAFileThatIsAppendedTo) {
  reference_file_rig f(O_APPEND);
  const auto data = numbered(10'000);
  f.r.client_sends(data);
  const auto did = f.splice(data.size());
  EXPECT_EQ(did.moved, data.size());
  EXPECT_FALSE(did.error);
  EXPECT_TRUE(f.contents() == data);
  EXPECT_FALSE(f.writer.splices());
}

TEST(FdWriterSplice, FailsWithAFileThatTakesNoMore) {
  reference_file_rig f;
  f.r.client_sends(numbered(10'000));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{4096, before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto did = f.splice(10'000);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(did.error.value(), EFBIG);
  EXPECT_FALSE(did.unsupported);
  EXPECT_EQ(did.moved, 10'000 - drain(f.r.socket.read.get()).size())
      << "the client must be answered in step";
}

TEST(FdWriterSplice, SaysWhereItDoesNotWorkAtAll) {
  reference_rig r;
  const io::unique_fd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  r.socket.read = io::unique_fd(::dup(directory.get()));
  EXPECT_TRUE(splice(r, 8).unsupported);
  EXPECT_FALSE(r.writer.splices());

  reference_file_rig f;
  f.r.socket.read = io::unique_fd(::dup(directory.get()));
  EXPECT_TRUE(f.splice(8).unsupported);
  EXPECT_FALSE(f.writer.splices());
}

TEST(FdWriterZeroes, AreCountedToTheByteInAnyPipe) {
  for (const bool shared : {false, true}) {
    for (const bool copy_only : {false, true}) {
      for (const bool small : {false, true}) {
        reference_rig r(shared, copy_only);
        if (small) r.make_small();
        for (const std::uint64_t count : {1, 4095, 4097, small ? 50'001 : 3'000'001}) {
          error_code error;
          r.client_sends("x");
          r.l.spawn(write_zeroes(r, count, error));
          EXPECT_TRUE(r.take(count) == std::string(count, '\0')) << shared << copy_only << small;
          r.l.finish();
          EXPECT_FALSE(error) << error.message();
        }
        EXPECT_EQ(drain(r.pipe.read.get()), "");
      }
    }
  }
}

TEST(FdWriterZeroes, FailWithTheReaderThatGoesAway) {
  reference_rig r;
  error_code error;
  r.l.spawn(write_zeroes(r, std::uint64_t{1} << 40, error));
  EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
  r.pipe.read.reset();
  r.l.finish();
  EXPECT_EQ(error.value(), EPIPE);
}

TEST(FdWriterZeroes, StopWhereTheyWaitForASlowReader) {
  reference_rig r;
  error_code error;
  r.l.spawn(write_zeroes(r, std::uint64_t{1} << 40, error));
  EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
  r.stop = true;
  r.ready.cancel();
  r.l.finish();
  EXPECT_EQ(error, asio::error::operation_aborted);
}

}  // namespace
}  // namespace nbdstream::test
