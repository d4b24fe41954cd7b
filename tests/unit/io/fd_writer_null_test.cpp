// SPDX-License-Identifier: BSD-3-Clause
//
// fd_writer into the null device: everything is taken, and nothing is copied.
#include "abi/system_calls.hpp"
#include "in_child.hpp"
#include "io/fd_writer.hpp"
#include "loop.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

namespace nbdstream::test {
namespace {

struct null_rig {
  loop l;
  io::unique_fd null;
  io::fd_waiter ready{l.executor()};
  io::worker thread{l.executor()};
  std::atomic<bool> stop = false;
  io::fd_writer writer;
  ends socket = make_socketpair();  ///< the server's end, and the client's

  explicit null_rig(bool copy_only = false, int access = O_WRONLY)
      : null(::open("/dev/null", access | O_CLOEXEC)),
        writer(null.get(), true, ready, thread, stop, copy_only) {
    ::fcntl(socket.read.get(), F_SETFL, O_NONBLOCK);
  }
  void client_sends(std::string_view text) const {
    ASSERT_EQ(::write(socket.write.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  io::splice_result splice(int from, std::uint64_t count) {
    io::splice_result did;
    l.spawn(splice_from(*this, from, count, did));
    l.finish();
    return did;
  }
  io::splice_result splice(std::uint64_t count) { return splice(socket.read.get(), count); }
  static awaitable<void> splice_from(null_rig& r, int from, std::uint64_t count,
                                     io::splice_result& did) {
    did = co_await r.writer.splice(from, count);
  }
};

awaitable<void> write_in_each_way(null_rig& r, int file, std::vector<error_code>& errors) {
  const std::string data = "data";
  iovec part{const_cast<char*>(data.data()), data.size()};
  errors.push_back(co_await r.writer.write(std::as_bytes(std::span(data))));
  errors.push_back(co_await r.writer.write_parts(std::span(&part, 1)));
  errors.push_back(co_await r.writer.write_zeroes(UINT64_MAX));
  errors.push_back(co_await r.writer.send_file(file, 0, UINT64_MAX));
}

awaitable<void> write_text(null_rig& r, error_code& error) {
  constexpr std::string_view text = "data";
  error = co_await r.writer.write(std::as_bytes(std::span(text)));
}

TEST(FdWriterToNull, EveryWriteSucceedsWithoutTheThread) {
  null_rig r;
  std::vector<error_code> errors;
  r.l.spawn(write_in_each_way(r, r.null.get(), errors));
  r.l.finish();
  EXPECT_EQ(errors, std::vector<error_code>(4));
  EXPECT_FALSE(r.writer.blocking());
}

TEST(FdWriterToNull, EveryWriteFailsAfterStop) {
  null_rig r;
  r.stop = true;
  std::vector<error_code> errors;
  r.l.spawn(write_in_each_way(r, r.null.get(), errors));
  r.l.finish();
  EXPECT_EQ(errors, std::vector<error_code>(4, asio::error::operation_aborted));
  r.client_sends("data");
  EXPECT_EQ(r.splice(4).error, asio::error::operation_aborted);
  EXPECT_EQ(drain(r.socket.read.get()), "data");
}

TEST(FdWriterToNull, SpliceDropsNoMoreThanTheCount) {
  null_rig r;
  EXPECT_TRUE(r.writer.splices());
  EXPECT_FALSE(r.writer.splices_unseen());
  r.client_sends("paid for, and the next header");
  const auto did = r.splice(8);
  EXPECT_EQ(did.moved, 8U);
  EXPECT_FALSE(did.error || did.source_empty || did.unsupported);
  EXPECT_EQ(drain(r.socket.read.get()), ", and the next header");
}

TEST(FdWriterToNull, SpliceDropsWhatTheSocketHasAndReportsThatItIsEmpty) {
  null_rig r;
  r.client_sends(numbered(50'001));
  const auto did = r.splice(50'002);
  EXPECT_EQ(did.moved, 50'001U);
  EXPECT_TRUE(did.source_empty);
  EXPECT_FALSE(did.error);
  const auto again = r.splice(1);
  EXPECT_EQ(again.moved, 0U);
  EXPECT_TRUE(again.source_empty);
}

TEST(FdWriterToNull, SpliceDropsWhatAPipeHolds) {
  null_rig r;
  const auto p = make_pipe();
  ASSERT_EQ(::write(p.write.get(), "teed", 4), 4);
  EXPECT_EQ(r.splice(p.read.get(), 4).moved, 4U);
  EXPECT_EQ(drain(p.read.get()), "");
}

TEST(FdWriterToNull, SpliceAtTheEndOfTheSocketMovesNothing) {
  null_rig r;
  r.client_sends("rest");
  r.socket.write.reset();
  EXPECT_EQ(r.splice(8).moved, 4U);
  const auto did = r.splice(8);
  EXPECT_EQ(did.moved, 0U);
  EXPECT_FALSE(did.error || did.source_empty || did.unsupported);
}

TEST(FdWriterToNull, DataPathCopySplicesNothing) {
  EXPECT_FALSE(null_rig(true).writer.splices());
}

TEST(FdWriterToNull, SpliceReportsThatTheSystemCannotSplice) {
  EXPECT_EQ(in_child([] {
              if (!sink_tests::disable_call(SYS_splice, EPERM)) return 1;
              null_rig r;
              r.client_sends("data");
              const auto did = r.splice(4);
              if (!did.unsupported || did.error || did.moved != 0) return 2;
              if (r.writer.splices()) return 3;
              return drain(r.socket.read.get()) == "data" ? 0 : 4;
            }),
            0);
}

TEST(FdWriterToNull, DescriptorOpenForReadingOnlyGetsAnError) {
  null_rig r(false, O_RDONLY);
  EXPECT_FALSE(r.writer.discards());
  error_code error;
  r.l.spawn(write_text(r, error));
  r.l.finish();
  EXPECT_EQ(error, from_errno(EBADF));
}

TEST(FdWriterToNull, OtherDevicesAreWrittenTo) {
  null_rig r;
  const io::unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const io::fd_writer other(full.get(), false, r.ready, r.thread, r.stop);
  EXPECT_FALSE(other.discards());
  EXPECT_TRUE(other.blocking());
}

}  // namespace
}  // namespace nbdstream::test
