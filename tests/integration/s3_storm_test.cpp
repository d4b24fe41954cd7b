// SPDX-License-Identifier: BSD-3-Clause
//
// Many concurrent streams to an S3 server that is overloaded.
#include "support/s3_test.hpp"

#include <regex>

namespace nbdstream::test {
namespace {

constexpr int exports = 8, streams_of_each = 25;

class S3Storm : public s3_test {
 protected:
  [[nodiscard]] static std::string name_of(int number) { return "vm" + std::to_string(number); }

  /// Writes a configuration with one export for each client. Each stream has its own object in
  /// `bucket`.
  void write_configuration(const std::string& settings) const {
    std::string text = "[server]\ngrace = \"60s\"\n";  // of an abort
    for (int i = 0; i < exports; ++i)
      text += "[[export]]\nname = \"" + name_of(i) +
              "\"\nsize = \"6M\"\nstreams = " + std::to_string(streams_of_each) +
              "\n[export.sink]\nmodule = \"s3\"\n" +
              "url = \"s3://bucket/{export}-{stream}\"\nendpoint = \"" + endpoint() +
              "\"\npart-size = \"5M\"\nmemory = \"16M\"\n" + settings;
    write_file(path("all.toml"), text);
  }
};

/// 200 streams, 8 at a time, and the server refuses every third request. Each stream commits a
/// whole object or is aborted without one, and the log agrees.
TEST_F(S3Storm, EachStreamCommitsWholeObjectOrAborts) {
  start_faulty_server(R"([{"on": "AbortMultipartUpload", "do": "error", "status": 503,
                           "code": "SlowDown", "chance": 0.2},
                          {"do": "error", "status": 503, "code": "SlowDown", "chance": 0.35},
                          {"on": ["UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"], "do": "lost",
                           "chance": 0.05}])");
  make_raw(path("in.raw"), 6 * MiB);
  write_configuration("retry-timeout = \"1s\"\n");
  process server =
      start_nbdstream({"--config", "all.toml", "-U", "sock", "-P", "pid"}, with_keys());
  wait_for("pid");
  std::vector<process> clients;
  clients.reserve(exports);
  for (int i = 0; i < exports; ++i)
    clients.push_back(start_shell("for i in $(seq " + std::to_string(streams_of_each) +
                                  "); do nbdcopy in.raw 'nbd+unix:///" + name_of(i) +
                                  "?socket=sock'; done"));
  constexpr std::chrono::minutes all{5};
  const result ended = server.wait(all);
  for (auto& one : clients) one.wait();
  const std::regex words(R"re(export "(vm\d)".*stream (\d+): (committed|aborted))re");
  std::set<std::string> committed;
  int aborted = 0;
  for (std::sregex_iterator at(ended.err.begin(), ended.err.end(), words), end; at != end; ++at) {
    const std::string key = (*at)[1].str() + "-" + (*at)[2].str();
    if ((*at)[3] == "committed") {
      committed.insert(key);
      EXPECT_TRUE(same_content(object(key), path("in.raw"))) << key;
    } else {
      ++aborted;
    }
  }
  EXPECT_EQ(committed.size() + aborted, exports * streams_of_each) << ended.err;
  EXPECT_EQ(objects(), committed);
  EXPECT_EQ(open_uploads(), 0U);
  // Both outcomes must occur, or this test shows nothing.
  EXPECT_GT(committed.size(), 0U);
  EXPECT_GT(aborted, 0);
  EXPECT_EQ(ended.status, 1);
}

}  // namespace
}  // namespace nbdstream::test
