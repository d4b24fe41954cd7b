// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of --control share: a server that is told how its job has ended.
#ifndef NBDSTREAM_TESTS_SUPPORT_TOLD_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_TOLD_TEST_HPP

#include "support/order_test.hpp"

#include <string>

namespace nbdstream::test {

class told_test : public order_test {
 protected:
  /// --end told, with its control socket `control`, on the Unix socket `sock`. Without `more` the
  /// stream goes to the file out.raw.
  [[nodiscard]] process start_told(const arguments& more = {"--sink", "file:out.raw"}) const {
    arguments args{"--control", "control", "--end", "told"};
    args.insert(args.end(), more.begin(), more.end());
    return start_listening(args);
  }

  [[nodiscard]] process start_ctl(const arguments& args) const {
    arguments all{"nbdstream", "ctl", "--control", "control"};
    all.insert(all.end(), args.begin(), args.end());
    return start(all);
  }
  result ctl(const arguments& args) const { return start_ctl(args).wait(); }

  /// curl(1) on the control socket: the status of HTTP in the last line, behind the body.
  result http(const arguments& args) const {
    arguments all{"curl",          "-s",      "--max-time", "20",
                  "--unix-socket", "control", "-w",         "\n%{http_code}"};
    all.insert(all.end(), args.begin(), args.end());
    return start(all).wait();
  }

  /// in.raw, written as it is to the server's disk, by a client that says goodbye.
  void write_in_raw(std::uint64_t size = 4 * MiB) const {
    make_raw(path("in.raw"), size);
    EXPECT_TRUE(ended_with(0, start({"nbdcopy", "in.raw", unix_uri}).wait()));
  }

  /// Whether the control server says this, as it stands in its JSON, before the deadline.
  [[nodiscard]] bool status_says(std::string_view text) const {
    return eventually([&] {
      return ctl({"status", "--json"}).out.find(text) != std::string::npos;
    });
  }
  [[nodiscard]] static bool log_says(const process& server, std::string_view text) {
    return eventually([&] { return server.err().find(text) != std::string::npos; });
  }

  /// Nothing that could be taken for a whole stream.
  void expect_nothing_looks_complete() const {
    EXPECT_FALSE(std::filesystem::exists(path("out.raw")));
  }
};

}  // namespace nbdstream::test
#endif
