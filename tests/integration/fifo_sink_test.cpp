// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `fifo` with each kind of file at its path.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

using FifoSink = integration_test;

TEST_F(FifoSink, CreatesAMissingFifoWithTheModeOfTheUmask) {
  const mode_t before = ::umask(027);
  process server = start_listening({"--sink", "fifo:output"});
  ::umask(before);
  struct stat about {};
  checked(::lstat(path("output").c_str(), &about), "lstat");
  EXPECT_EQ(about.st_mode, S_IFIFO | 0640U);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(FifoSink, ConnectsToAUnixSocket) {
  listener server = listener::unix_socket(path("output"));
  process ended = start_nbdstream(running(client_command("h.pwrite(b'hello', 0)")));
  peer reader = server.accept();
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_EQ(reader.received(), "hello");
  EXPECT_TRUE(ended_with(0, ended.wait()));
}

TEST_F(FifoSink, ReportsAWriteErrorOfACharacterDevice) {
  make_disk();
  const result ended = nbdstream({"--sink", "fifo:/dev/full", "--run", convert});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "No space left on device"));
}

TEST_F(FifoSink, RefusesARegularFileAndSuggestsTheFileSink) {
  write_file(path("output"), "precious");
  const result ended = nbdstream({"--sink", "fifo:output", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "file:PATH"));
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
  EXPECT_TRUE(holds(path("output"), "precious"));
}

TEST_F(FifoSink, RefusesAMissingPath) {
  const result ended = nbdstream({"--sink", "fifo", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "path"));
}

/// Runs a command for which F_SETPIPE_SZ fails with EPERM, as it does when the pipes of the user
/// have reached their common limit (pipe(7)). To reach the real limit would disturb all other
/// tests.
const std::string with_no_larger_pipes = seccomp_words + R"(
fcntl, F_SETPIPE_SZ = {'x86_64': 72, 'aarch64': 25}[platform.machine()], 1031
rules = ((load, 0, 0, 0), (equal, 0, 3, fcntl), (load, 0, 0, 24), (equal, 0, 1, F_SETPIPE_SZ),
         (give, 0, 0, FAIL + errno.EPERM), (give, 0, 0, ALLOW))
)" + seccomp_filter + "os.execvp(sys.argv[1], sys.argv[1:])\n";
TEST_F(FifoSink, ReportsThePipeLimitIfThePipeCannotGrow) {
  process reader = start_reader();
  arguments argv{"python3", "-c", with_no_larger_pipes, "nbdstream"};
  const auto rest = running(client_command("send(bytes(range(256)) * 4096)"));
  argv.insert(argv.end(), rest.begin(), rest.end());
  const result ended = start(argv).wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "fs.pipe-user-pages-soft"));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_EQ(std::filesystem::file_size(path("out.raw")), MiB);
}

}  // namespace
}  // namespace nbdstream::test
