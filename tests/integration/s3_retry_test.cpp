// SPDX-License-Identifier: BSD-3-Clause
//
// The sink s3 when the server or the network fails for a while: the stream continues.
#include "support/s3_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

struct trouble {
  std::string name;
  std::string rules;        ///< JSON
  arguments settings = {};  ///< of the sink
  arguments server = {};    ///< its options
  bool warns = true;
};

void PrintTo(const trouble& it, std::ostream* out) {
  *out << it.name;
}

class S3Retry : public s3_test, public ::testing::WithParamInterface<trouble> {};

TEST_P(S3Retry, StoresWholeObject) {
  const auto& it = GetParam();
  start_faulty_server(it.rules, it.server);
  make_disk(27 * MiB);
  const result ended = upload(to_bucket(it.settings));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_GT(logged({"\"fault\""}), 0U) << "the rules were never applied";
  expect_whole_object();
  EXPECT_EQ(count_of("error", ended.err), 0U) << ended.err;
  EXPECT_EQ(count_of("warning", ended.err) > 0, it.warns) << ended.err;
}

const std::string part = R"([{"on": "UploadPart", )";

const trouble troubles[] = {
    {"SlowDown", part + R"("do": "error", "status": 503, "code": "SlowDown", "times": 3}])"},
    {"SlowDownWithRetryAfter",
     part + R"("do": "error", "status": 503, "code": "SlowDown", "times": 3,
        "headers": {"Retry-After": "1"}}])"},
    {"SlowDownForHalfOfAllRequests",
     R"([{"do": "error", "status": 503, "code": "SlowDown", "chance": 0.5}])"},
    {"InternalError", part + R"("do": "error", "times": 2}])"},
    {"TooManyRequests", part + R"("do": "error", "status": 429, "code": "Slow", "times": 2}])"},
    {"BadGateway", part + R"("do": "error", "status": 502, "code": "BadGateway", "times": 2}])"},
    {"GatewayTimeout", part + R"("do": "error", "status": 504, "code": "Timeout", "times": 2}])"},
    {"RequestTimeoutOfTheProxy",
     part + R"("do": "error", "status": 408, "code": "RequestTimeout", "times": 2}])"},
    {"RequestTimeout",
     part + R"("do": "error", "status": 400, "code": "RequestTimeout", "times": 2}])"},
    {"BadDigest", part + R"("do": "error", "status": 400, "code": "BadDigest", "times": 2}])"},
    {"IncompleteBody",
     part + R"("do": "error", "status": 400, "code": "IncompleteBody", "times": 2}])"},
    {"OtherSha256",
     part + R"("do": "error", "status": 400, "code": "XAmzContentSHA256Mismatch", "times": 2}])"},
    {"ResetBeforeTheBody", part + R"("do": "reset", "times": 3}])"},
    {"ResetInTheBody", part + R"("do": "reset", "bytes": 1000000, "times": 3}])"},
    {"ResetAtTheEndOfTheBody", part + R"("do": "reset", "bytes": 5242880, "times": 3}])"},
    {"ReplyLost", part + R"("do": "lost", "times": 3}])"},
    {"RequestLost", part + R"("do": "lost", "times": 3, "made": false}])"},
    {"CreateIsReset", R"([{"on": "CreateMultipartUpload", "do": "reset", "times": 2}])"},
    {"CreateIsRefused", R"([{"on": "CreateMultipartUpload", "do": "error", "times": 2}])"},
    {"CreateIsRefusedIn200", R"([{"on": "CreateMultipartUpload", "do": "broken", "times": 1}])"},
    {"StallBeforeTheBody", part + R"("do": "stall", "times": 1}])", {"stall-timeout=1s"}},
    {"StallInTheBody",
     part + R"("do": "stall", "bytes": 1000000, "times": 1}])",
     {"stall-timeout=1s"}},
    {"StallBeforeTheReply",
     part + R"("do": "stall", "bytes": 5242880, "times": 1}])",
     {"stall-timeout=1s"}},
    // This part takes 10 s. The server must read the rest in the socket buffers within the timeout.
    {"SlowReader",
     part + R"("do": "slow", "rate": 500000, "times": 1}])",
     {"stall-timeout=8s"},
     {},
     false},
    {"ClockIsAhead", part + R"("do": "slow", "rate": 100000000}])", {}, {"--skew", "1200"}, false},
    {"ClockIsBehind",
     part + R"("do": "slow", "rate": 100000000}])",
     {},
     {"--skew", "-1200"},
     false},
};
INSTANTIATE_TEST_SUITE_P(After, S3Retry, ::testing::ValuesIn(troubles),
                         [](const auto& it) { return it.param.name; });

class S3Outage : public s3_test {
 protected:
  /// A client that writes 6 MiB, waits for the file `go`, and writes another 6 MiB.
  [[nodiscard]] std::string halting_client() const {
    make_raw(path("in.raw"), 12 * MiB);
    return client_command(
        "data = file('in.raw')\nsend(data[:6 << 20])\ntouch('half')\n"
        "wait_for('go')\nsend(data[6 << 20:], 6 << 20)\nh.shutdown()\n");
  }
};

TEST_F(S3Outage, StreamContinuesWhenServerComesBack) {
  start_server();
  process stream = start_upload(to_bucket(), halting_client());
  wait_for("half");
  ASSERT_TRUE(will_log({"UploadPart", R"("status": 200)"}));
  const std::string port = endpoint().substr(endpoint().rfind(':') + 1);
  kill_server();
  write_file(path("go"), "");
  ASSERT_TRUE(eventually([&] { return stream.err().find("warning") != std::string::npos; }));
  start_server({"--port", port});
  const result ended = stream.wait();
  EXPECT_TRUE(ended_with(0, ended));
  expect_whole_object();
}

TEST_F(S3Outage, IsLoggedAsOneWarning) {
  start_faulty_server(R"([{"on": "UploadPart", "do": "error", "status": 503, "code": "SlowDown",
                           "message": "Please reduce your request rate", "times": 1}])");
  make_disk(6 * MiB);
  const result ended = upload(to_bucket());
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "SlowDown"));
  EXPECT_EQ(count_of("warning", ended.err), 1U) << ended.err;
  expect_whole_object();
}

TEST_F(S3Outage, FailsStreamAfterRetryTimeout) {
  start_faulty_server(
      R"([{"on": "UploadPart", "do": "error", "status": 503, "code": "SlowDown"}])");
  make_disk(12 * MiB);
  const result ended = upload(to_bucket({"retry-timeout=1s"}));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "SlowDown"));
  EXPECT_TRUE(mentions(ended.err, "retry-timeout"));
  expect_nothing_left();
}

/// The keys of an instance's role expire after an hour, and a backup may take longer.
TEST_F(S3Outage, ExpiredKeysAreReadAgainFromFile) {
  start_faulty_server(R"([{"access_key": "AK1", "while": "expired", "do": "error", "status": 400,
                           "code": "ExpiredToken"}])",
                      {"--key", "AK1:SK1:T1", "--key", "AK2:SK2:T2"});
  const auto keys = [&](const std::string& n) {
    write_file(path("new"), "[default]\naws_access_key_id = AK" + n +
                                "\naws_secret_access_key = SK" + n + "\naws_session_token = T" + n +
                                "\n");
    std::filesystem::rename(path("new"), path("keys"));
  };
  keys("1");
  process stream = start_upload(to_bucket(), halting_client(),
                                {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=",
                                 "AWS_SHARED_CREDENTIALS_FILE=" + path("keys").string()});
  wait_for("half");
  ASSERT_TRUE(will_log({"UploadPart", R"("status": 200)"}));
  write_file(path("s3/expired"), "");
  keys("2");
  write_file(path("go"), "");
  EXPECT_TRUE(ended_with(0, stream.wait()));
  expect_whole_object();
  EXPECT_GT(logged({R"("access_key": "AK2")", "CompleteMultipartUpload", R"("status": 200)"}), 0U);
}

TEST_F(S3Outage, ExpiredKeysThatAreNotRenewedFailStream) {
  start_faulty_server(R"([{"while": "expired", "do": "error", "status": 400, "unless": "again",
                           "on": "UploadPart", "code": "ExpiredToken"}])");
  process stream = start_upload(to_bucket(), halting_client());
  wait_for("half");
  ASSERT_TRUE(will_log({"UploadPart", R"("status": 200)"}));
  write_file(path("s3/expired"), "");
  write_file(path("go"), "");
  const result ended = stream.wait();
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "ExpiredToken"));
  EXPECT_LE(logged({"UploadPart", R"("status": 400)"}), 4U);
  expect_nothing_left();
}

}  // namespace
}  // namespace nbdstream::test
