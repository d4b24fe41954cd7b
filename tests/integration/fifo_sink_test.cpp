// SPDX-License-Identifier: BSD-3-Clause
//
// What the fifo sink makes of the path that it is given.
#include "support/integration_test.hpp"
#include "support/seccomp.hpp"

#include <sys/stat.h>

namespace nbdstream::test {
namespace {

class fifo_sink : public integration_test {
 protected:
  struct stat about(const std::string& name) const {
    struct stat info {};
    checked(::lstat(path(name).c_str(), &info), "lstat " + name);
    return info;
  }

  void make_fifo(const std::string& name, mode_t mode) const {
    checked(::mkfifo(path(name).c_str(), mode), "mkfifo");
  }

  /// A client that writes "hello" by itself.
  arguments hello(const std::string& target) {
    return {"--sink", "fifo:" + target, "--run", client_command("h.pwrite(b'hello', 0)")};
  }

  /// Refused before anything is created or listened to, naming `name`.
  result expect_refused(const std::string& name) {
    result ended = nbdstream({"--sink", "fifo:" + name, "-U", "sock"});
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, name));
    EXPECT_FALSE(std::filesystem::exists(path("sock")));
    return ended;
  }
};

TEST_F(fifo_sink, makes_a_missing_fifo_before_it_listens_with_the_mode_of_the_umask) {
  const mode_t before = ::umask(027);
  process server = start_listening({"--sink", "fifo:output"});
  ::umask(before);
  EXPECT_TRUE(S_ISFIFO(about("output").st_mode));
  EXPECT_EQ(about("output").st_mode & 07777, 0640U);
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(fifo_sink, leaves_the_fifo_in_place) {
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, nbdstream(hello("output"))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(S_ISFIFO(about("output").st_mode));
}

TEST_F(fifo_sink, uses_an_existing_fifo_as_it_is) {
  make_fifo("output", 0600);
  const auto inode = about("output").st_ino;
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, nbdstream(hello("output"))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
  EXPECT_EQ(about("output").st_ino, inode);
  EXPECT_EQ(about("output").st_mode & 07777, 0600U);
}

TEST_F(fifo_sink, connects_to_a_unix_socket) {
  listener server = listener::unix_socket(path("output"));
  process ended = start_nbdstream(hello("output"));
  peer reader = server.accept();
  EXPECT_EQ(reader.drain(), ending::end_of_file);
  EXPECT_EQ(reader.received(), "hello");
  EXPECT_TRUE(ended_with(0, ended.wait()));
}

TEST_F(fifo_sink, writes_to_a_character_device) {
  make_disk();
  EXPECT_TRUE(ended_with(0, nbdstream({"--sink", "fifo:/dev/null", "--run", convert})));
}

TEST_F(fifo_sink, fails_when_a_character_device_does) {
  make_disk();
  const result ended = nbdstream({"--sink", "fifo:/dev/full", "--run", convert});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "No space left on device"));
}

TEST_F(fifo_sink, refuses_a_regular_file_and_names_the_file_sink) {
  write_file(path("output"), "precious");
  EXPECT_TRUE(mentions(expect_refused("output").err, "file:"));
  EXPECT_TRUE(holds(path("output"), "precious"));
}

TEST_F(fifo_sink, refuses_a_directory) {
  std::filesystem::create_directory(path("output"));
  expect_refused("output");
}

TEST_F(fifo_sink, refuses_a_path_in_a_missing_directory) {
  expect_refused("missing/output");
}

TEST_F(fifo_sink, follows_no_link_to_where_it_would_make_a_fifo) {
  std::filesystem::create_symlink("elsewhere", path("output"));
  expect_refused("output");
  EXPECT_FALSE(std::filesystem::exists(path("elsewhere")));
}

TEST_F(fifo_sink, needs_a_path) {
  const result ended = nbdstream({"--sink", "fifo", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "path"));
}

/// Runs a command that F_SETPIPE_SZ is refused, as it is where all pipes of the user together are
/// at their limit (pipe(7)). To reach that would be to take it from everything else that runs.
const std::string with_no_larger_pipes = seccomp_words + R"(
fcntl, F_SETPIPE_SZ = {'x86_64': 72, 'aarch64': 25}[platform.machine()], 1031
rules = ((load, 0, 0, 0), (equal, 0, 3, fcntl), (load, 0, 0, 24), (equal, 0, 1, F_SETPIPE_SZ),
         (give, 0, 0, FAIL + errno.EPERM), (give, 0, 0, ALLOW))
)" + seccomp_filter + "os.execvp(sys.argv[1], sys.argv[1:])\n";
TEST_F(fifo_sink, leaves_a_pipe_as_it_is_where_the_user_may_have_no_larger_one_and_says_so) {
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
