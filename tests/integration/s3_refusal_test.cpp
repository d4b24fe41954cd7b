// SPDX-License-Identifier: BSD-3-Clause
//
// The sink s3 when the server refuses a request for good: the log says why in one line. If the
// error can be seen at the start, nbdstream stops before there is a client.
#include "support/s3_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

struct denial {
  std::string name;
  std::vector<std::string> why;  ///< what the log says
  arguments settings = {};       ///< of the sink
  std::vector<std::string> environment = {};
  std::string key = "key";
};

void PrintTo(const denial& it, std::ostream* out) {
  *out << it.name;
}

class S3Refusal : public s3_test {
 protected:
  /// Expects that the stream fails, with one line of log beside the one on its end.
  void expect_failure(const std::vector<std::string>& why, const arguments& settings = {}) {
    make_disk(12 * MiB);
    const result ended = upload(to_bucket(settings));
    EXPECT_TRUE(ended_with(1, ended));
    for (const auto& part : why) EXPECT_TRUE(mentions(ended.err, part));
    EXPECT_LE(count_of("error", ended.err), 2U) << ended.err;
    EXPECT_EQ(count_of("warning", ended.err), 0U) << ended.err;
  }
};

class S3RefusalAtStart : public S3Refusal, public ::testing::WithParamInterface<denial> {};

/// The sink only asks for the object, and the command of --run does not run.
TEST_P(S3RefusalAtStart, StopsBeforeCommandRuns) {
  const auto& it = GetParam();
  start_server();
  put_object("there", "old");
  const result ended = upload(to_bucket(it.settings, it.key), "touch ran", it.environment);
  EXPECT_TRUE(ended_with(2, ended));
  for (const auto& part : it.why) EXPECT_TRUE(mentions(ended.err, part));
  EXPECT_EQ(count_of("error", ended.err), 1U) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
  EXPECT_EQ(objects(), std::set<std::string>{"there"});
}

const denial denials[] = {
    {"ObjectIsThere", {"there", "overwrite=true"}, {}, {}, "there"},
    {"OtherSecret", {"SignatureDoesNotMatch"}, {}, {"AWS_SECRET_ACCESS_KEY=other"}},
    {"UnknownKey", {"InvalidAccessKeyId"}, {}, {"AWS_ACCESS_KEY_ID=other"}},
    {"NoKeys", {"credentials"}, {}, {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}},
    {"UnsignedPayloadWithoutTls", {"sign-payload", "https"}, {"sign-payload=false"}},
    {"HeaderOfTwoLines", {"headers"}, {"headers=x-amz-meta-a: b\r\nx-amz-meta-c: d"}},
    {"PartsTooSmall", {"part-size"}, {"part-size=4M"}},
    {"PartsTooLarge", {"part-size"}, {"part-size=6G"}},
    {"NoKey", {"key"}, {}, {}, ""},
};
INSTANTIATE_TEST_SUITE_P(Reasons, S3RefusalAtStart, ::testing::ValuesIn(denials),
                         [](const auto& it) { return it.param.name; });

TEST_F(S3Refusal, MissingBucketStopsBeforeCommandRuns) {
  start_server();
  const result ended =
      upload({"--sink", "s3://elsewhere/key", "-o", "endpoint=" + endpoint()}, "touch ran");
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "elsewhere"));
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
}

TEST_F(S3Refusal, SizeWithTooManyPartsIsRefusedBeforeUpload) {
  start_server();
  make_disk(12 * MiB);
  arguments args = to_bucket();
  args.insert(args.end(), {"--size", "49G"});
  const result ended = upload(args);
  EXPECT_NE(ended.status, 0);
  EXPECT_TRUE(mentions(ended.err, "part-size"));
  EXPECT_EQ(logged({"CreateMultipartUpload"}), 0U);
  expect_nothing_left();
}

TEST_F(S3Refusal, DeniedUploadFailsStream) {
  start_faulty_server(R"([{"on": ["CreateMultipartUpload", "UploadPart"], "do": "error",
                           "status": 403, "code": "AccessDenied", "skip": 0}])");
  expect_failure({"AccessDenied"});
  expect_nothing_left();
  EXPECT_EQ(logged({"CreateMultipartUpload", "reply"}), 1U);
}

TEST_F(S3Refusal, DeniedPartFailsStream) {
  start_faulty_server(R"([{"on": "UploadPart", "part": 2, "do": "error", "status": 403,
                           "code": "AccessDenied"}])");
  expect_failure({"AccessDenied", "request"});
  expect_nothing_left();
}

TEST_F(S3Refusal, TooLargePartFailsStream) {
  start_faulty_server(R"([{"on": "UploadPart", "do": "error", "status": 400,
                           "code": "EntityTooLarge"}])");
  expect_failure({"EntityTooLarge"});
  expect_nothing_left();
}

TEST_F(S3Refusal, UploadAbortedByAnotherClientIsLogged) {
  start_faulty_server(R"([{"on": "UploadPart", "part": 2, "do": "vanish"}])");
  expect_failure({"NoSuchUpload", "a request or a lifecycle rule aborted it"});
  expect_nothing_left();
}

/// A redirect may name any host, which must get neither data nor signatures.
TEST_F(S3Refusal, RedirectIsNotFollowed) {
  start_server({}, "other");
  const std::string other = endpoint("other").substr(std::string("http://").size());
  for (const std::string status : {"301", "302", "307", "308"}) {
    const std::string code = R"("do": "error", "code": "Redirect", "status": )" + status +
                             R"(, "headers": {"Location": ")" + endpoint("other") +
                             R"(/bucket/key"}}])";
    start_faulty_server(R"([{"on": "UploadPart", )" + code);
    expect_failure({"another address", other});
    expect_nothing_left();
    start_faulty_server("[{" + code);
    const result ended = upload(to_bucket(), "touch ran");
    EXPECT_TRUE(ended_with(2, ended)) << status;
    EXPECT_TRUE(mentions(ended.err, other)) << status;
    EXPECT_EQ(logged({"event"}, "other"), 0U) << status;
  }
}

TEST_F(S3Refusal, WrongRegionNamesRightOne) {
  start_server({"--region", "eu-west-1"});
  make_disk(6 * MiB);
  const result ended = upload(to_bucket());
  EXPECT_NE(ended.status, 0);
  EXPECT_TRUE(mentions(ended.err, "eu-west-1"));
  EXPECT_TRUE(ended_with(0, upload(to_bucket({"region=eu-west-1"}))));
  expect_whole_object();
}

/// A key that may only write cannot look for the object. The log warns of that once.
TEST_F(S3Refusal, DeniedHeadObjectIsOneWarning) {
  start_faulty_server(R"([{"on": ["GetObject", "HeadObject"], "do": "error", "status": 403,
                           "code": "AccessDenied"}])");
  make_disk(12 * MiB);
  const result ended = upload(to_bucket());
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_EQ(count_of("warning", ended.err), 1U) << ended.err;
  expect_whole_object();
}

TEST_F(S3Refusal, UnreachableServerFailsStreamAndIsNamed) {
  make_disk(6 * MiB);
  const result ended = upload({"--sink", "s3://bucket/key", "-o", "endpoint=http://127.0.0.1:1",
                               "-o", "part-size=5M", "-o", "retry-timeout=1s"});
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "127.0.0.1 port 1"));
}

TEST_F(S3Refusal, LogHidesSecrets) {
  start_faulty_server(R"([{"do": "error", "status": 503, "code": "SlowDown", "chance": 0.5}])",
                      {"--key", "AK2:SECRETSECRET:TOKENTOKEN"});
  make_disk(6 * MiB);
  arguments args = to_bucket({"retry-timeout=2s"});
  args.insert(args.end(), {"-v", "--log-level", "debug"});
  const result ended = upload(args, convert,
                              {"AWS_ACCESS_KEY_ID=AK2", "AWS_SECRET_ACCESS_KEY=SECRETSECRET",
                               "AWS_SESSION_TOKEN=TOKENTOKEN"});
  for (const char* secret : {"SECRETSECRET", "TOKENTOKEN", "Signature="})
    EXPECT_EQ(ended.err.find(secret), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace nbdstream::test
