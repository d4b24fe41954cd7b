// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the sink s3 share: S3 servers of ours (s3_fake.py), and what they hold.
#ifndef NBDSTREAM_TESTS_SUPPORT_S3_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_S3_TEST_HPP

#include "support/integration_test.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace nbdstream::test {

class s3_test : public integration_test {
 protected:
  /// Those of the directory `s3`, which most tests use alone, have the bucket `bucket` and the key
  /// AK with the secret SK. Each directory is a server of its own.
  void start_server(const arguments& options = {}, const std::string& directory = "s3") {
    std::filesystem::create_directory(path(directory));
    std::filesystem::remove(path(directory) / "endpoint");
    arguments argv{"/usr/bin/python3",
                   source_directory + "/tests/support/s3_fake.py",
                   "--bucket",
                   "bucket",
                   "--key",
                   "AK:SK"};
    argv.insert(argv.end(), options.begin(), options.end());
    argv.push_back(directory);
    servers_.insert_or_assign(directory, std::make_unique<process>(start(argv)));
    wait_for(directory + "/endpoint");
  }

  /// A server whose requests go as these rules say: JSON, as s3_faults.py describes it.
  void start_faulty_server(const std::string& rules, arguments options = {}) {
    write_file(path("faults"), rules);
    options.insert(options.end(), {"--faults", "faults"});
    start_server(options);
  }

  void kill_server(const std::string& directory = "s3") {
    servers_.at(directory)->signal(SIGKILL);
    servers_.at(directory)->wait();
    servers_.erase(directory);
  }

  void TearDown() override {
    for (const auto& [name, server] : servers_) EXPECT_EQ(server->err(), "") << "of " << name;
    servers_.clear();
    integration_test::TearDown();
  }

  [[nodiscard]] std::string endpoint(const std::string& directory = "s3") const {
    return read_file(path(directory) / "endpoint");
  }

  /// No settings of whoever runs the tests reach a client: neither keys nor proxies. A later
  /// setting of `more` takes the place of these.
  [[nodiscard]] process::options with_keys(const std::vector<std::string>& more = {}) const {
    process::options how;
    how.environment = {"AWS_ACCESS_KEY_ID=AK",
                       "AWS_SECRET_ACCESS_KEY=SK",
                       "AWS_SESSION_TOKEN=",
                       "AWS_DEFAULT_REGION=us-east-1",
                       "AWS_REGION=us-east-1",
                       "AWS_CA_BUNDLE=",
                       "AWS_PROFILE=",
                       "AWS_ENDPOINT_URL=",
                       "AWS_ENDPOINT_URL_S3=",
                       "AWS_EC2_METADATA_DISABLED=true",
                       "HOME=" + path("").string(),
                       "no_proxy=*"};
    how.environment.insert(how.environment.end(), more.begin(), more.end());
    return how;
  }

  /// What sends a stream to bucket/key in parts of 5 MiB, as small as they may be, followed by
  /// `more`: settings of the sink, each as KEY=VALUE.
  [[nodiscard]] arguments to_bucket(const arguments& settings = {},
                                    const std::string& key = "key") const {
    arguments args{"--sink", "s3://bucket/" + key, "-o", "endpoint=" + endpoint(),
                   "-o",     "part-size=5M"};
    for (const auto& setting : settings) args.insert(args.end(), {"-o", setting});
    return args;
  }

  /// nbdstream sends what `command` writes.
  [[nodiscard]] process start_upload(arguments args, const std::string& command = convert,
                                     const std::vector<std::string>& environment = {}) const {
    args.insert(args.end(), {"--run", command});
    return start_nbdstream(args, with_keys(environment));
  }
  result upload(arguments args, const std::string& command = convert,
                const std::vector<std::string>& environment = {}) const {
    return start_upload(std::move(args), command, environment).wait();
  }

  // ---- what a server holds

  /// An object of somebody else.
  void put_object(const std::string& key, const std::string& content) const {
    std::filesystem::create_directories(path("s3/about/bucket"));
    write_file(path("s3/about/bucket/" + key), R"({"ETag": "\"0123\""})");
    write_file(object(key), content);
  }

  /// The keys of its whole objects, percent-encoded.
  [[nodiscard]] std::set<std::string> objects() const { return names_in("s3/objects/bucket"); }
  [[nodiscard]] std::filesystem::path object(const std::string& key = "key") const {
    return path("s3/objects/bucket/" + key);
  }
  [[nodiscard]] std::size_t open_uploads() const { return names_in("s3/uploads").size(); }

  /// How many lines of its log have all of `parts` in them.
  [[nodiscard]] std::size_t logged(const std::vector<std::string>& parts,
                                   const std::string& directory = "s3") const {
    std::istringstream log(read_file(path(directory) / "requests"));
    std::size_t count = 0;
    for (std::string line; std::getline(log, line);)
      count += std::all_of(parts.begin(), parts.end(),
                           [&](const auto& part) { return line.find(part) != line.npos; });
    return count;
  }
  /// How many requests for `operation` were answered with `status`; 0 for those with no answer.
  [[nodiscard]] std::size_t replies(const std::string& operation, int status) const {
    return logged({R"("operation": ")" + operation + '"', R"("event": "reply")",
                   R"("status": )" + std::to_string(status) + ","});
  }

  /// Waits until the server has logged this `times` times.
  [[nodiscard]] bool will_log(const std::vector<std::string>& parts, std::size_t times = 1) const {
    return eventually([&] { return logged(parts) >= times; });
  }

  void expect_whole_object(const std::string& key = "key") const {
    EXPECT_TRUE(same_content(object(key), path("in.raw")));
    EXPECT_EQ(open_uploads(), 0U);
  }
  void expect_nothing_left() const {
    EXPECT_EQ(objects(), std::set<std::string>{});
    EXPECT_EQ(open_uploads(), 0U);
  }

  /// The lines of a log of nbdstream that are an error or a warning.
  [[nodiscard]] static std::size_t count_of(const std::string& level, const std::string& log) {
    std::istringstream lines(log);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);)
      count += line.find("nbdstream: " + level + ": ") == 0;
    return count;
  }

  [[nodiscard]] std::set<std::string> names_in(const std::string& directory) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path(directory)))
      names.insert(entry.path().filename());
    return names;
  }

 private:
  std::map<std::string, std::unique_ptr<process>> servers_;  ///< by directory
};

}  // namespace nbdstream::test
#endif
