// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of `nbdstream serve s3://...` share.
#ifndef NBDSTREAM_TESTS_SUPPORT_S3_SERVE_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_S3_SERVE_TEST_HPP

#include "support/s3_test.hpp"

#include <cstdint>
#include <sstream>
#include <string>

namespace nbdstream::test {

class s3_serve_test : public s3_test {
 protected:
  /// What serves bucket/key, with `settings`, each as KEY=VALUE.
  [[nodiscard]] arguments from_bucket(const arguments& settings = {},
                                      const std::string& key = "key") const {
    arguments args{"s3://bucket/" + key, "-o", "endpoint=" + endpoint()};
    for (const auto& setting : settings) args.insert(args.end(), {"-o", setting});
    return args;
  }

  /// What sends a compressed stream there.
  [[nodiscard]] arguments compressed() const {
    arguments args = to_bucket();
    args.insert(args.end(), {"--compress", "zstd"});
    return args;
  }

  /// `nbdstream serve`; with a `command`, that is its --run.
  [[nodiscard]] process start_serve(const arguments& args, const std::string& command = {},
                                    const std::vector<std::string>& environment = {}) const {
    arguments all{"serve"};
    all.insert(all.end(), args.begin(), args.end());
    if (!command.empty()) all.insert(all.end(), {"--run", command});
    return start_nbdstream(all, with_keys(environment));
  }
  result serve(const arguments& args, const std::string& command,
               const std::vector<std::string>& environment = {}) const {
    return start_serve(args, command, environment).wait();
  }

  /// How many bytes of ranges the server has sent, or was about to.
  [[nodiscard]] std::uint64_t fetched() const {
    std::istringstream log(read_file(path("s3/requests")));
    std::uint64_t bytes = 0;
    const std::string field = R"("sends": )";
    for (std::string line; std::getline(log, line);) {
      const auto at = line.find(field);
      const bool of_a_range = line.find(R"("status": 206)") != line.npos;
      if (of_a_range && at != line.npos) bytes += std::stoull(line.substr(at + field.size()));
    }
    return bytes;
  }
};

}  // namespace nbdstream::test
#endif
