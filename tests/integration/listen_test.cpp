// SPDX-License-Identifier: BSD-3-Clause
//
// Unix sockets, in the file system and without a place there.
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

  /// nbdstream that listens where `args` say, once it says that it is ready.
  process serve(arguments args, const std::string& pidfile = "pid") const {
    args.insert(args.end(), {"-P", pidfile, "--sink", "fifo:output"});
    process server = start_nbdstream(args);
    wait_for(pidfile);
    return server;
  }

  /// Ends a server that nobody has written to.
  static void end(process& server) {
    server.signal(SIGTERM);
    EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
  }

  /// Leaves `sock` as a server does that has no time for it.
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

class unix_sockets : public listening {};

TEST_F(unix_sockets, that_a_killed_server_left_are_replaced) {
  leave_stale_socket();
  process server = serve({"-U", "sock"});
  EXPECT_TRUE(ended_with(0, info()));
  end(server);
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(unix_sockets, that_are_in_use_are_an_error_that_names_them_and_the_server) {
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

/// Each takes the socket for stale that was there; only the first may.
TEST_F(unix_sockets, are_served_by_one_of_many_that_start_at_once) {
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

/// Neither is removed, nor what a link leads to.
TEST_F(unix_sockets, do_not_take_the_place_of_anything_else) {
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

TEST_F(unix_sockets, of_another_server_stay_when_one_ends) {
  process first = serve({"-U", "sock"}, "first.pid");
  std::filesystem::remove(path("sock"));
  process second = serve({"-U", "sock"});
  end(first);
  EXPECT_TRUE(ended_with(0, info()));
  end(second);
  EXPECT_FALSE(std::filesystem::exists(path("sock")));
}

TEST_F(unix_sockets, have_the_permissions_that_were_asked_for_whatever_umask_says) {
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

TEST_F(unix_sockets, have_the_permissions_that_umask_leaves_by_default) {
  process server = start_shell("umask 027; exec nbdstream -U sock -P pid --sink fifo:output");
  wait_for("pid");
  EXPECT_EQ(mode_of("sock"), "0750");
  end(server);
}

TEST_F(unix_sockets, have_the_permissions_that_a_file_says) {
  write_file(path("it.toml"), "[server]\nlisten = \"unix:sock\"\nunix-mode = \"0606\"\n");
  process server = serve({"--config", "it.toml"});
  EXPECT_EQ(mode_of("sock"), "0606");
  end(server);
}

/// What a relative path reaches, and no absolute one: so no URI names it.
class deep_sockets : public listening {
 protected:
  deep_sockets() { std::filesystem::create_directories(path(deep_)); }

  /// nbdstream in that directory.
  process start_there(const std::string& args) const {
    return start_shell("cd " + deep_ + " && exec nbdstream -U sock " + args);
  }

  const std::string deep_ = std::string(100, 'd');
};

TEST_F(deep_sockets, are_refused_with_a_command_that_could_not_connect) {
  const result ended = start_there("--sink fifo:output --run true").wait();
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, deep_ + "/sock: has "));
  EXPECT_TRUE(mentions(ended.err, "at most 107"));
  EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
  EXPECT_TRUE(std::filesystem::is_empty(path(deep_)));
}

TEST_F(deep_sockets, are_warned_of_without_one) {
  process server = start_there("--size 1M --sink fifo:output -P ../pid");
  wait_for("pid");
  EXPECT_TRUE(mentions(server.err(), "warning: "));
  EXPECT_TRUE(mentions(server.err(), deep_ + "/sock: has "));
  end(server);
}

class private_sockets : public listening {
 protected:
  /// nbdstream with $uri in a file of that name, and these variables.
  result ended_with_uri(const std::string& variables) const {
    return start_shell(variables +
                       " exec nbdstream -v --sink fifo:output --run 'printf %s \"$uri\" > uri'")
        .wait();
  }
};

TEST_F(private_sockets, are_elsewhere_where_the_directory_for_them_has_too_long_a_name) {
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

TEST_F(private_sockets, are_an_error_that_names_tmpdir_where_that_is_missing) {
  const result ended = ended_with_uri("export TMPDIR=" + path("missing").string() + ";");
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "No such file or directory; set TMPDIR to a directory"));
  EXPECT_FALSE(std::filesystem::exists(path("output")));
}

class announced : public listening {};

TEST_F(announced, is_each_address_with_the_port_that_was_chosen) {
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

TEST_F(announced, is_an_abstract_socket_without_a_uri) {
  process server = serve({"-U", "@" + abstract_name(), "--size", "1M"});
  EXPECT_EQ(server.err(), "nbdstream: listening on unix:@" + abstract_name() + "\n");
  end(server);
}

/// Whom would it help?
TEST_F(announced, is_no_socket_that_only_the_command_uses) {
  const result ended = nbdstream({"--sink", "fifo:output", "--run", "true"});
  EXPECT_EQ(ended.err, "nbdstream: error: nothing was written\n");
}

class abstract_sockets : public listening {};

TEST_F(abstract_sockets, are_found_by_qemu_and_leave_nothing) {
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

TEST_F(abstract_sockets, are_found_through_socat) {
  process server = serve({"-U", "@" + abstract_name()});
  process bridge = start({"socat", "UNIX-LISTEN:bridge", "ABSTRACT-CONNECT:" + abstract_name()});
  wait_for("bridge");
  EXPECT_TRUE(ended_with(0, info("nbd+unix:///?socket=bridge")));
  // Some versions of it call it an error that nbdinfo does not read the last answer.
  static_cast<void>(bridge.wait());
  end(server);
}

TEST_F(abstract_sockets, are_an_error_where_another_server_listens) {
  process server = serve({"-U", "@" + abstract_name()});
  const result second = nbdstream({"-U", "@" + abstract_name(), "--sink", "fifo:other"});
  EXPECT_TRUE(ended_with(2, second));
  EXPECT_TRUE(mentions(second.err, "unix:@" + abstract_name() + ": Address already in use"));
  end(server);
}

TEST_F(abstract_sockets, leave_the_uri_of_run_to_another_address) {
  static_cast<void>(nbdstream({"-U", "@" + abstract_name(), "-p", "0", "--sink", "fifo:output",
                               "--run", "printf '%s' \"$uri\" > uri"}));
  EXPECT_TRUE(mentions(read_file(path("uri")), "nbd://127.0.0.1:"));
}

}  // namespace
}  // namespace nbdstream::test
