// SPDX-License-Identifier: BSD-3-Clause
//
// What the hardening tests share: a server whose sink notes what happens to it, hostile peers that
// say what they like, and a real client that must be served in spite of them.
#ifndef NBDSTREAM_TESTS_SUPPORT_HARDENING_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_HARDENING_TEST_HPP

#include "support/integration_test.hpp"
#include "support/scripted_client.hpp"

#include <algorithm>
#include <list>
#include <sstream>
#include <string>

namespace nbdstream::test {

class hardening_test : public integration_test {
 protected:
  /// No time limit of the server's ends what a check of it should.
  void serve(const arguments& more = {}) {
    arguments args{"--sink",
                   test_modules + "/recorder.so:out.raw",
                   "-o",
                   "log=log",
                   "--log-level",
                   "debug",
                   "--handshake-timeout",
                   "1h",
                   "--payload-timeout",
                   "1h"};
    args.insert(args.end(), more.begin(), more.end());
    server_.push_back(start_listening(args));
  }
  [[nodiscard]] process& server() { return server_.front(); }

  [[nodiscard]] peer connect() const { return connect_unix(path("sock")); }

  /// All that the server answers to `script`, which makes it or the client hang up.
  [[nodiscard]] transcript say(const scripted_client& script) const {
    peer hostile = connect();
    try {
      hostile.send(script.script());
    } catch (const std::system_error&) {
      // Hung up on before it had said everything.
    }
    hostile.drain();
    auto heard = script.parse(hostile.received());
    EXPECT_EQ(heard.wrong + heard.leftover, "");
    return heard;
  }

  [[nodiscard]] std::ptrdiff_t descriptors() {
    const std::filesystem::path open = "/proc/" + std::to_string(server().pid()) + "/fd";
    return std::distance(std::filesystem::directory_iterator(open), {});
  }

  /// The most memory that the server has ever used, in bytes.
  [[nodiscard]] std::uint64_t most_resident() {
    const auto status = read_file("/proc/" + std::to_string(server().pid()) + "/status");
    return std::stoull(status.substr(status.find("VmHWM:") + 6)) * KiB;
  }

  /// The one stream is a real client's, and nobody has opened the sink before.
  void expect_unharmed() {
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'hello', 0); h.shutdown()")));
    const result ended = server().wait();
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(holds(path("out.raw"), "hello"));
    EXPECT_TRUE(holds(path("log"), "create\nopen 1\ncommit 5\ndestroy\n"));
    expect_short_lines(ended.err);
  }

  /// For a server with --streams 0, some of whose streams have been aborted.
  void expect_still_serving() {
    const auto before = read_file(path("log"));
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'x' * h.get_size(), 0); h.shutdown()")));
    EXPECT_TRUE(eventually(
        [&] { return read_file(path("log")).find("commit", before.size()) != std::string::npos; }));
  }

  /// No peer makes the log say what it likes, or as much as it likes.
  static void expect_short_lines(const std::string& log) {
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) EXPECT_LT(line.size(), 400U) << line;
  }

 private:
  std::list<process> server_;
};

}  // namespace nbdstream::test
#endif
