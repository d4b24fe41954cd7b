// SPDX-License-Identifier: BSD-3-Clause
#include "support/integration_test.hpp"

#include <fcntl.h>

namespace nbdstream::test {
namespace {

class StdoutSink : public integration_test {
 protected:
  /// Runs a bash script in which nbdstream is part of a pipeline.
  result bash(const std::string& script) {
    write_file(path("client.sh"), convert);
    return start({"bash", "-c", "set -o pipefail; " + script}).wait();
  }

  static bool nonblocking(const file_descriptor& fd) {
    return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0;
  }

  /// nbdstream with `fd` as its stdout.
  process start_into(const file_descriptor& fd, const std::string& command) const {
    process::options how;
    how.out = fd.get();
    return start_nbdstream({"--sink", "stdout", "--run", command}, how);
  }
};

TEST_F(StdoutSink, FeedsPipeline) {
  make_disk();
  EXPECT_TRUE(ended_with(0, bash("nbdstream --sink stdout --run 'sh client.sh' | cat > out.raw")));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(StdoutSink, WritesRegularFile) {
  make_disk();
  EXPECT_TRUE(ended_with(0, bash("nbdstream --sink stdout --run 'sh client.sh' > out.raw")));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(StdoutSink, AppendsToRegularFile) {
  make_disk();
  write_file(path("out.raw"), "before");
  EXPECT_TRUE(ended_with(0, bash("nbdstream --sink stdout --run 'sh client.sh' >> out.raw")));
  EXPECT_TRUE(holds(path("out.raw"), "before" + read_file(path("in.raw"))));
}

TEST_F(StdoutSink, WritesToUnixSocket) {
  make_disk();
  listener server = listener::unix_socket(path("out.sock"));
  process ended = start({"/usr/bin/python3", "-c", R"(
import os, socket
s = socket.socket(socket.AF_UNIX)
s.connect("out.sock")
os.dup2(s.fileno(), 1)
os.execvp("nbdstream", ["nbdstream", "--sink", "stdout", "--run",
                        'qemu-img convert -n in.qcow2 -O raw "$uri"'])
)"});
  peer reader = server.accept();
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_TRUE(ended_with(0, ended.wait()));
  EXPECT_TRUE(reader.received() == read_file(path("in.raw")));
}

TEST_F(StdoutSink, WritesToTerminal) {
  terminal screen = make_terminal();
  process server = start_into(screen.slave, client_command("h.pwrite(b'hello, screen', 0)"));
  EXPECT_EQ(screen.master.take(13), "hello, screen");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_FALSE(nonblocking(screen.slave));
}

TEST_F(StdoutSink, FailsWhenReaderLeavesEarly) {
  make_disk();
  const result ended = bash(
      "nbdstream --sink stdout --run 'sh client.sh' | head -c 1M > out.raw;"
      "exit ${PIPESTATUS[0]}");
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(holds(path("out.raw"), read_file(path("in.raw")).substr(0, MiB)));
}

TEST_F(StdoutSink, LeavesSharedStdoutBlocking) {
  make_disk();
  pipe_pair pipe = make_pipe();
  process server = start_into(pipe.write, convert);
  pipe.read.take(2 * MiB);
  EXPECT_FALSE(nonblocking(pipe.write)) << "in the middle of the stream";
  pipe.read.take(6 * MiB);
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_FALSE(nonblocking(pipe.write)) << "at the end";
  EXPECT_TRUE(pipe.read.received() == read_file(path("in.raw")));
}

TEST_F(StdoutSink, KeepsOutputOfCommandOutOfStream) {
  make_disk();
  const result ended = bash(
      "nbdstream --sink stdout"
      " --run 'qemu-img convert -p -n in.qcow2 -O raw \"$uri\"; echo said' > out.raw");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  EXPECT_TRUE(mentions(ended.err, "100.00/100%"));
  EXPECT_TRUE(mentions(ended.err, "said\n"));
}

TEST_F(StdoutSink, RefusesClosedStdout) {
  process::options how;
  how.close_out = true;
  const result ended = nbdstream({"--sink", "stdout", "--run", convert}, how);
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "sink stdout: standard output is closed"));
}

TEST_F(StdoutSink, RefusesSingle) {
  const result ended = nbdstream({"--sink", "stdout", "--single"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "--single"));
}

TEST_F(StdoutSink, RefusesSeveralStreams) {
  const result ended = nbdstream({"--sink", "stdout", "-U", "sock", "--streams", "2"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "streams"));
}

}  // namespace
}  // namespace nbdstream::test
