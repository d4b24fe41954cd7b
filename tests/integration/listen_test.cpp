// SPDX-License-Identifier: BSD-3-Clause
//
// Unix sockets: those with a path, and abstract ones.
#include "support/integration_test.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace nbdstream::test {
namespace {

class listening : public integration_test {
 protected:
  result info(const std::string& uri = unix_uri) const {
    return start({"nbdinfo", "--size", uri}).wait();
  }

  /// Starts nbdstream with `args` and waits until it is ready.
  process serve(arguments args, const std::string& pidfile = "pid") const {
    args.insert(args.end(), {"-P", pidfile, "--sink", "fifo:output"});
    process server = start_nbdstream(args);
    wait_for(pidfile);
    return server;
  }

  /// Ends a server that no client has written to.
  static void end(process& server) {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  }

  /// Leaves the file `sock` of a killed server.
  void leave_stale_socket() const {
    process killed = serve({"-U", "sock"}, "killed.pid");
    killed.signal(SIGKILL);
    EXPECT_TRUE(ended_with(128 + SIGKILL, killed.wait()));
    ASSERT_TRUE(std::filesystem::is_socket(path("sock")));
  }

  /// The permissions of a file, as four octal digits.
  std::string mode_of(const std::string& name) const {
    struct stat s {};
    EXPECT_EQ(::lstat(path(name).c_str(), &s), 0);
    std::string digits;
    for (const unsigned shift : {9U, 6U, 3U, 0U}) {
      digits += static_cast<char>('0' + (s.st_mode >> shift & 7U));
    }
    return digits;
  }

  /// A name that no other test has.
  std::string abstract_name() const { return "nbdstream" + path("x").string(); }
};

class UnixSocketListener : public listening {};

TEST_F(UnixSocketListener, ReplacesStaleSocketOfKilledServer) {
  leave_stale_socket();
  process server = serve({"-U", "sock"});
  EXPECT_TRUE(ended_with(0, info()));
  end(server);
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(UnixSocketListener, RefusesSocketInUseAndNamesItsProcess) {
  process server = serve({"-U", "sock"});
  const result second = nbdstream({"-U", "sock", "--size", "1M", "--sink", "fifo:other"});
  EXPECT_TRUE(ended_with(2, second));
  EXPECT_FALSE(std::filesystem::exists(path("other")));
  EXPECT_TRUE(mentions(second.err, "sock: another server (process " + std::to_string(server.pid()) +
                                       ") listens there"));
  EXPECT_EQ(std::ranges::count(second.err, '\n'), 1) << second.err;
  EXPECT_TRUE(ended_with(0, info()));
  end(server);
}

/// All twelve servers find the stale socket. Only the first may replace it.
TEST_F(UnixSocketListener, OneOfTwelveServersReplacesStaleSocket) {
  leave_stale_socket();
  std::vector<process> servers;
  for (int i = 0; i < 12; ++i) {
    servers.push_back(start_nbdstream({"-U", "sock", "--sink", "fifo:output"}));
  }
  const auto running = [&] { return std::ranges::count_if(servers, &process::running); };
  EXPECT_TRUE(eventually([&] { return running() <= 1; }));
  ASSERT_EQ(running(), 1);
  EXPECT_TRUE(ended_with(0, info()));
  for (auto& server : servers) {
    const bool won = server.running();
    if (won) server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(won ? 128 + SIGTERM : 2, server.wait()));
  }
}

/// Neither the path nor the target of a link is removed.
TEST_F(UnixSocketListener, RefusesPathThatIsNotSocket) {
  leave_stale_socket();
  std::filesystem::rename(path("sock"), path("stale"));
  std::filesystem::create_symlink("stale", path("link"));
  std::filesystem::create_symlink("nothing", path("dangling"));
  std::filesystem::create_directory(path("directory"));
  write_file(path("file"), "precious");
  for (const std::string name : {"link", "dangling", "directory", "file"}) {
    const result ended = nbdstream({"-U", name, "--sink", "fifo:output"});
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, name + ": exists and is not a socket"));
  }
  EXPECT_TRUE(std::filesystem::is_socket(path("stale")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(path("dangling")));
  EXPECT_FALSE(std::filesystem::exists(path("nothing")));
  EXPECT_EQ(read_file(path("file")), "precious");
}

TEST_F(UnixSocketListener, EndingServerKeepsSocketOfAnother) {
  process first = serve({"-U", "sock"}, "first.pid");
  std::filesystem::remove(path("sock"));
  process second = serve({"-U", "sock"});
  end(first);
  EXPECT_TRUE(ended_with(0, info()));
  end(second);
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(UnixSocketListener, UnixModeOverridesUmask) {
  for (const std::string mode : {"0600", "0660", "0777"}) {
    process server = start_shell("umask 027; exec nbdstream -U sock --unix-mode " + mode +
                                 " -P pid --sink fifo:output");
    wait_for("pid");
    EXPECT_EQ(mode_of("sock"), mode);
    EXPECT_EQ(mode_of("pid"), "0640") << "umask did not come back";
    end(server);
    std::filesystem::remove(path("pid"));
  }
}

TEST_F(UnixSocketListener, UmaskSetsDefaultMode) {
  process server = start_shell("umask 027; exec nbdstream -U sock -P pid --sink fifo:output");
  wait_for("pid");
  EXPECT_EQ(mode_of("sock"), "0750");
  end(server);
}

TEST_F(UnixSocketListener, ConfigFileSetsUnixMode) {
  write_file(path("it.toml"), "[server]\nlisten = \"unix:sock\"\nunix-mode = \"0606\"\n");
  process server = serve({"--config", "it.toml"});
  EXPECT_EQ(mode_of("sock"), "0606");
  end(server);
}

/// A socket with a short relative path and an absolute path that is too long for a URI.
class LongSocketPath : public listening {
 protected:
  LongSocketPath() { std::filesystem::create_directories(path(deep_)); }

  /// nbdstream in that directory.
  process start_there(const std::string& args) const {
    return start_shell("cd " + deep_ + " && exec nbdstream -U sock " + args);
  }

  const std::string deep_ = std::string(100, 'd');
};

TEST_F(LongSocketPath, RunRefusesSocketThatItsCommandCannotReach) {
  const result ended = start_there("--sink fifo:output --run true").wait();
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, deep_ + "/sock: has "));
  EXPECT_TRUE(mentions(ended.err, "at most 107"));
  EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
  EXPECT_TRUE(std::filesystem::is_empty(path(deep_)));
}

TEST_F(LongSocketPath, ServerWithoutRunWarns) {
  process server = start_there("--size 1M --sink fifo:output -P ../pid");
  wait_for("pid");
  EXPECT_TRUE(mentions(server.err(), "warning: "));
  EXPECT_TRUE(mentions(server.err(), deep_ + "/sock: has "));
  end(server);
}

class PrivateSocket : public listening {
 protected:
  /// Runs nbdstream with these variables. Its command writes $uri to the file `uri`.
  result ended_with_uri(const std::string& variables) const {
    return start_shell(variables +
                       " exec nbdstream -v --sink fifo:output --run 'printf %s \"$uri\" > uri'")
        .wait();
  }
};

TEST_F(PrivateSocket, AvoidsDirectoryWithTooLongPath) {
  const auto deep = path(std::string(100, 'd'));
  std::filesystem::create_directory(deep);
  const auto runtime = path("run");
  std::filesystem::create_directory(runtime);
  for (const auto& [runtime_directory, where] :
       {std::pair(runtime.string(), std::filesystem::canonical(runtime).string()),
        std::pair(deep.string(), std::string("/"))}) {
    const result ended = ended_with_uri("export TMPDIR=" + deep.string() +
                                        " XDG_RUNTIME_DIR=" + runtime_directory + ";");
    EXPECT_TRUE(ended_with(1, ended));  // nothing was written
    EXPECT_TRUE(mentions(read_file(path("uri")), "socket=" + where));
    EXPECT_TRUE(mentions(ended.err, "debug: " + std::filesystem::canonical(deep).string()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(deep));
  EXPECT_TRUE(std::filesystem::is_empty(runtime));
}

TEST_F(PrivateSocket, MissingDirectoryIsErrorThatNamesTmpdir) {
  const result ended = ended_with_uri("export TMPDIR=" + path("missing").string() + ";");
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "No such file or directory; set TMPDIR to a directory"));
  EXPECT_FALSE(std::filesystem::exists(path("output")));
}

class ListeningMessage : public listening {};

TEST_F(ListeningMessage, NamesEachAddressWithChosenPort) {
  process server = serve({"-p", "0", "-U", "sock", "--size", "1M"});
  EXPECT_TRUE(mentions(server.err(), "nbdstream: listening on nbd+unix:///?socket=" +
                                         std::filesystem::canonical(path("sock")).string() + "\n"));
  const std::string begin = "nbdstream: listening on nbd://127.0.0.1:";
  const std::string said = server.err();
  ASSERT_TRUE(mentions(said, begin));
  const auto port = said.substr(said.find(begin) + begin.size());
  EXPECT_TRUE(ended_with(0, info("nbd://127.0.0.1:" + port.substr(0, port.find('/')))));
  end(server);
}

TEST_F(ListeningMessage, NamesAbstractSocketWithoutUri) {
  process server = serve({"-U", "@" + abstract_name(), "--size", "1M"});
  EXPECT_EQ(server.err(), "nbdstream: listening on unix:@" + abstract_name() + "\n");
  end(server);
}

/// Only the command uses that socket, so the log does not name it.
TEST_F(ListeningMessage, OmitsPrivateSocketOfRun) {
  const result ended = nbdstream({"--sink", "fifo:output", "--run", "true"});
  EXPECT_EQ(ended.err, "nbdstream: error: nothing was written\n");
}

class AbstractSocket : public listening {};

TEST_F(AbstractSocket, QemuImgConnects) {
  make_raw(path("in.raw"), 2 * MiB);
  process server = serve({"-U", "@" + abstract_name(), "--size", "2M"});
  process reader = start_reader();
  EXPECT_TRUE(ended_with(
      0, start({"qemu-img", "convert", "-n", "-f", "raw", "in.raw", "--target-image-opts",
                "driver=nbd,server.type=unix,server.abstract=on,server.path=" + abstract_name()})
             .wait()));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(AbstractSocket, NbdinfoConnectsThroughSocat) {
  process server = serve({"-U", "@" + abstract_name()});
  process bridge = start({"socat", "UNIX-LISTEN:bridge", "ABSTRACT-CONNECT:" + abstract_name()});
  wait_for("bridge");
  EXPECT_TRUE(ended_with(0, info("nbd+unix:///?socket=bridge")));
  // nbdinfo does not read the last reply, which some versions of socat call an error.
  static_cast<void>(bridge.wait());
  end(server);
}

TEST_F(AbstractSocket, RefusesNameInUse) {
  process server = serve({"-U", "@" + abstract_name()});
  const result second = nbdstream({"-U", "@" + abstract_name(), "--sink", "fifo:other"});
  EXPECT_TRUE(ended_with(2, second));
  EXPECT_TRUE(mentions(second.err, "unix:@" + abstract_name() + ": Address already in use"));
  end(server);
}

TEST_F(AbstractSocket, RunUriNamesTcpAddressInstead) {
  static_cast<void>(nbdstream({"-U", "@" + abstract_name(), "-p", "0", "--sink", "fifo:output",
                               "--run", "printf '%s' \"$uri\" > uri"}));
  EXPECT_TRUE(mentions(read_file(path("uri")), "nbd://127.0.0.1:"));
}

}  // namespace
}  // namespace nbdstream::test
