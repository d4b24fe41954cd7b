// SPDX-License-Identifier: BSD-3-Clause
//
// The messages to a service manager and to the journal. The test plays both.
#include "support/datagrams.hpp"
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class SystemdService : public integration_test {
 protected:
  /// Starts nbdstream on the Unix socket `sock`, with this test as its service manager, and waits
  /// until it is ready.
  process start_service(const arguments& args, const arguments& environment = {}) {
    arguments all{"-U", "sock"};
    all.insert(all.end(), args.begin(), args.end());
    process::options how;
    how.environment = environment;
    how.environment.push_back("NOTIFY_SOCKET=" + path("notify").string());
    process server = start_nbdstream(all, how);
    at_first = manager.until("READY=1");
    EXPECT_TRUE(mentions(at_first, "READY=1")) << server.err();
    return server;
  }

  datagrams manager{path("notify")};
  std::string at_first;  ///< the messages up to READY=1
};

TEST_F(SystemdService, ReportsReadyWatchdogStatusAndStopping) {
  process server = start_service({"--sink", "fifo:output"}, {"WATCHDOG_USEC=200000"});
  EXPECT_TRUE(mentions(at_first, "STATUS="));
  EXPECT_TRUE(mentions(at_first, "waiting for a client"));
  EXPECT_TRUE(mentions(manager.until("WATCHDOG=1"), "WATCHDOG=1"));
  EXPECT_TRUE(mentions(manager.until("WATCHDOG=1"), "WATCHDOG=1")) << "again";
  // The commit waits for a slow reader.
  process reader = start_shell(
      "until [ -p output ]; do sleep 0.01; done; exec 3< output; until [ -e go ]; do sleep 0.01; "
      "done; exec cat <&3 > out.raw");
  EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0)\nh.shutdown()")));
  EXPECT_TRUE(mentions(manager.until("committing"), "STATUS="));
  server.signal(SIGTERM);
  EXPECT_TRUE(mentions(manager.until("STOPPING=1"), "STOPPING=1"));
  EXPECT_TRUE(mentions(manager.until("EXTEND_TIMEOUT_USEC="), "EXTEND_TIMEOUT_USEC=30000000"));
  EXPECT_TRUE(mentions(manager.until("WATCHDOG=1"), "WATCHDOG=1")) << "also while it stops";
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(holds(path("out.raw"), "hello"));
}

TEST_F(SystemdService, ChildrenGetNoNotifySocket) {
  process::options how;
  how.environment = {"NOTIFY_SOCKET=" + path("notify").string(), "WATCHDOG_USEC=9000000"};
  const result ended =
      nbdstream({"--sink", "exec:env > sink; cat > out.raw", "--run",
                 "env > run; " + client_command("h.pwrite(b'hello', 0)\nh.shutdown()")},
                how);
  EXPECT_TRUE(ended_with(0, ended));
  for (const char* name : {"sink", "run"}) {
    const auto environment = read_file(path(name));
    EXPECT_TRUE(mentions(environment, "PATH="));
    EXPECT_EQ(environment.find("NOTIFY_SOCKET"), environment.npos) << name;
    EXPECT_EQ(environment.find("WATCHDOG"), environment.npos) << name;
  }
}

TEST_F(SystemdService, SighupReloadsKeys) {
  const std::string old_key = "somebody:" + std::string(64, 'a') + "\n";
  const std::string new_key = "somebody:" + std::string(64, 'b') + "\n";
  write_file(path("old"), old_key);
  write_file(path("new"), new_key);
  write_file(path("keys"), old_key);
  process server =
      start_service({"--sink", "fifo:output", "--tls", "require", "--tls-psk", "keys"});
  const auto lets_in = [&](const std::string& key) {
    const auto uri = "nbds+unix://somebody@/?socket=sock&tls-psk-file=" + key;
    return start({"nbdinfo", uri}).wait().status == 0;
  };
  write_file(path("keys"), new_key);
  EXPECT_TRUE(lets_in("old")) << "nothing is read before the signal";
  server.signal(SIGHUP);
  EXPECT_TRUE(mentions(manager.until("READY=1"), "RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_TRUE(lets_in("new"));
  EXPECT_FALSE(lets_in("old"));
  write_file(path("keys"), "broken");
  server.signal(SIGHUP);
  EXPECT_TRUE(mentions(manager.until("READY=1"), "READY=1"));
  EXPECT_TRUE(mentions(server.err(), "keys:1: no USER:KEY"));
  EXPECT_TRUE(mentions(server.err(), "what was read before is still used"));
  EXPECT_TRUE(lets_in("new"));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(SystemdService, SighupWithoutKeysDoesNotEndServer) {
  process server = start_service({"--sink", "fifo:output"});
  server.signal(SIGHUP);
  EXPECT_TRUE(mentions(manager.until("READY=1"), "RELOADING=1"));
  EXPECT_TRUE(server.running());
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(SystemdService, LogsToStderrWithoutJournal) {
  if (std::filesystem::exists("/run/systemd/journal/socket")) GTEST_SKIP() << "there is one";
  const result ended = nbdstream({"--sink", "fifo:output", "--run", "true", "--log", "journal"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "warning: --log journal: no program listens on "));
  EXPECT_TRUE(mentions(ended.err, "nothing was written"));
}

/// In a mount namespace of its own, in which this test is the journal.
TEST_F(SystemdService, LogsToJournalWithFields) {
  std::filesystem::create_directory(path("journal"));
  const datagrams journal(path("journal/socket"));
  write_file(path("client.sh"), client_command("h.pwrite(b'hello', 0)\nh.shutdown()"));
  const std::string script =
      "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
      "mount --bind journal /run/systemd/journal || exit 77; "
      "exec nbdstream --log journal -e vm1 --sink file:out.raw --run 'sh client.sh'";
  const result ended = start({"unshare", "--mount", "sh", "-c", script}).wait();
  if (ended.status == 77 || ended.err.find("unshare") != ended.err.npos)
    GTEST_SKIP() << "only root can mount here: " << ended.err;
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(ended.err, "");
  const auto event = journal.until("NBDSTREAM_OUTCOME=committed");
  for (const char* part : {"MESSAGE=export \"vm1\": stream 1: committed, 5 bytes", "PRIORITY=6",
                           "SYSLOG_IDENTIFIER=nbdstream", "NBDSTREAM_EXPORT=vm1",
                           "NBDSTREAM_STREAM=1", "NBDSTREAM_SENT_BYTES=5"}) {
    EXPECT_TRUE(mentions(event, std::string(part)));
  }
}

}  // namespace
}  // namespace nbdstream::test
