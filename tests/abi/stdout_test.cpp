// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `stdout` takes descriptor 1 from its process, so each test runs it in a child process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <stdexcept>

#include "host.hpp"
#include "listener.hpp"
#include "surroundings.hpp"

namespace sink_tests {
namespace {

/// Takes the place of the assertions of a test in a child process.
#define REQUIRE(condition)                                    \
  do {                                                        \
    if (!(condition)) {                                       \
      std::fprintf(stderr, "%d: %s\n", __LINE__, #condition); \
      return 1;                                               \
    }                                                         \
  } while (false)

struct StdoutSink : ::testing::Test {
  directory here;

  /// Runs `body` in a child, which sets its standard output itself.
  static void in_child(const std::function<int()>& body) {
    process child(body);
    EXPECT_EQ(child.wait(), 0);
  }

  /// Runs `body` in a child whose standard output is `out`.
  static void in_child(const descriptor& out, const std::function<int()>& body) {
    process child([&] {
      if (out) {
        REQUIRE(::dup2(out.get(), STDOUT_FILENO) == STDOUT_FILENO);
        REQUIRE(::close(out.get()) == 0);
      } else {
        REQUIRE(::close(STDOUT_FILENO) == 0);
      }
      return body();
    });
    EXPECT_EQ(child.wait(), 0);
  }
};

struct pipe_pair {
  descriptor read, write;
  pipe_pair() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe failed");
    read = descriptor(ends[0]);
    write = descriptor(ends[1]);
  }
  /// Afterwards no other descriptor is this write end.
  bool become_stdout() {
    return ::dup2(write.get(), STDOUT_FILENO) == STDOUT_FILENO && write.close() == 0;
  }
};

const std::string module = in_tree_sink("stdout");

bool is_nonblocking(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

TEST_F(StdoutSink, PipeIsLentWithItsOwnFlags) {
  const pipe_pair pipe;
  in_child(pipe.write, [&] {
    sink out(module);
    REQUIRE(out.created == 0 && out.open() == 0);
    REQUIRE(out.fd() > 2 && out.fd_flags() == 0);
    REQUIRE(is_nonblocking(out.fd()) && ::fcntl(out.fd(), F_GETFD) == FD_CLOEXEC);
    REQUIRE(out.send("data") == 0);
    return 0;
  });
  EXPECT_FALSE(is_nonblocking(pipe.write.get())) << "others have this description";
  EXPECT_EQ(read_from(pipe.read.get(), 4), "data");
}

TEST_F(StdoutSink, PipeCommitsWhenLastByteWasRead) {
  in_child([] {
    pipe_pair pipe;
    REQUIRE(pipe.become_stdout());
    sink out(module);
    REQUIRE(out.open() == 0 && out.send("0123") == 0);
    REQUIRE(out.commit(4) == -EAGAIN);
    REQUIRE(read_from(pipe.read.get(), 4) == "0123");
    REQUIRE(out.commit(4) == 0);
    REQUIRE(read_from(pipe.read.get()).empty());
    return 0;
  });
}

TEST_F(StdoutSink, PipeFailsToCommitWhenReaderLeavesBytesUnread) {
  in_child([] {
    pipe_pair pipe;
    REQUIRE(pipe.become_stdout());
    sink out(module);
    REQUIRE(out.open() == 0 && out.send("0123") == 0);
    pipe.read.reset();
    REQUIRE(out.commit_patiently(4) == -EPIPE);
    REQUIRE(out.explanation().find("4 bytes") != std::string::npos);
    REQUIRE(out.abort() == 0);
    return 0;
  });
}

TEST_F(StdoutSink, PipeThatCannotBeReopenedIsLentAsShared) {
  const std::string fifo = here / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  descriptor reader = reader_of(fifo);
  const descriptor out(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
  reader.reset();  // a named pipe cannot be opened without a reader
  in_child(out, [] {
    sink sink(module);
    REQUIRE(sink.open() == 0 && sink.fd_flags() == NBDSTREAM_FD_SHARED);
    REQUIRE(!is_nonblocking(sink.fd()));
    REQUIRE(sink.send("x") == -EPIPE);
    return 0;
  });
}

TEST_F(StdoutSink, OutputOfChildGoesToStderr) {
  const pipe_pair pipe;
  const std::string errors = here / "errors";
  in_child(pipe.write, [&] {
    const descriptor file(::open(errors.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::dup2(file.get(), STDERR_FILENO) == STDERR_FILENO);
    sink out(module);
    REQUIRE(out.open() == 0 && out.send("data") == 0);
    process command = process::running({"echo", "(100.00/100%)"});
    REQUIRE(command.wait() == 0);
    return 0;
  });
  EXPECT_EQ(contents_of(errors), "(100.00/100%)\n");
  EXPECT_EQ(read_from(pipe.read.get(), 4), "data");
}

TEST_F(StdoutSink, FileIsWrittenFromItsCurrentOffset) {
  const std::string file = here / "file";
  create_file(file, "before ");
  const descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::lseek(out.get(), 0, SEEK_END), 7);
  in_child(out, [] {
    sink sink(module);
    REQUIRE(sink.open() == 0 && sink.fd_flags() == NBDSTREAM_FD_SHARED);
    REQUIRE(sink.send("after") == 0 && sink.commit(5) == 0);
    return 0;
  });
  EXPECT_EQ(contents_of(file), "before after");
  EXPECT_FALSE(is_nonblocking(out.get()));
}

TEST_F(StdoutSink, DevNullWorks) {
  in_child(descriptor(::open("/dev/null", O_WRONLY | O_CLOEXEC)), [] {
    sink sink(module);
    REQUIRE(sink.stream(pattern(100'000)) == 0 && sink.fd_flags() == NBDSTREAM_FD_SHARED);
    return 0;
  });
}

TEST_F(StdoutSink, UnixSocketCommitsWhenPeerHasReadEverything) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const descriptor out(ends[0]), peer(ends[1]);
  in_child(out, [&] {
    sink sink(module);
    REQUIRE(sink.open() == 0 && sink.fd_flags() == NBDSTREAM_FD_SHARED);
    REQUIRE(sink.send("data") == 0 && sink.commit(4) == -EAGAIN);
    REQUIRE(read_from(peer.get(), 4) == "data");
    REQUIRE(sink.commit_patiently(4) == 0);
    return 0;
  });
  EXPECT_EQ(next_from(peer.get()), 0);
  EXPECT_FALSE(is_nonblocking(out.get()));
}

TEST_F(StdoutSink, AbortResetsTcpSocketThatOthersHoldOpen) {
  const listener server = listener::on_loopback(AF_INET);
  sink client(in_tree_sink("socket"), {{"address", "tcp://127.0.0.1:" + server.port()}});
  ASSERT_EQ(client.open_patiently(), 0);
  const descriptor peer = server.accept();
  const descriptor out(::dup(client.fd()));
  in_child(out, [] {
    sink sink(module);
    REQUIRE(sink.open() == 0 && sink.send("torn") == 0 && sink.abort() == 0);
    return 0;
  });
  EXPECT_EQ(next_from(peer.get()), 4);
  EXPECT_EQ(next_from(peer.get()), -ECONNRESET);
}

TEST_F(StdoutSink, ClosedOrReadOnlyStdoutIsRefusedInOneLine) {
  // A host opens /dev/null for reading in place of a closed stdout.
  for (const bool closed : {true, false}) {
    descriptor out(closed ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC));
    in_child(std::move(out), [] {
      const sink sink(module);
      REQUIRE(sink.created == -EBADF);
      REQUIRE(sink.explanation().find("standard output is closed") == 0);
      return 0;
    });
  }
  in_child(descriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC)), [] {
    const sink sink(module);
    REQUIRE(sink.created == -EBADF);
    REQUIRE(sink.explanation().find("reading only") != std::string::npos);
    return 0;
  });
}

TEST_F(StdoutSink, SecondStreamIsRefused) {
  in_child(descriptor(::open("/dev/null", O_WRONLY | O_CLOEXEC)), [] {
    sink sink(module);
    REQUIRE((sink.table().flags & NBDSTREAM_SINK_USES_STDOUT) != 0);
    REQUIRE(sink.stream("one") == 0 && sink.open() == -EBADF);
    REQUIRE(sink.explanation() == "standard output carries one stream");
    return 0;
  });
}

}  // namespace
}  // namespace sink_tests
