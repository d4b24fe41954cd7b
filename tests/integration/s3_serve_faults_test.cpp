// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream serve s3://... when the server, the network or the object fails: a client gets the
// right bytes, or an error.
#include "support/s3_serve_test.hpp"

#include <ostream>

namespace nbdstream::test {
namespace {

/// A rule for each GetObject but the first, which nbdstream sends when it starts.
std::string after_the_start(const std::string& what) {
  return R"([{"on": "GetObject", "skip": 1, )" + what + "}]";
}

struct serve_trouble {
  std::string name;
  std::string rules;               ///< JSON
  std::vector<std::string> why{};  ///< what the log says
};

void PrintTo(const serve_trouble& it, std::ostream* out) {
  *out << it.name;
}

class S3ServeRetry : public s3_serve_test, public ::testing::WithParamInterface<serve_trouble> {};

TEST_P(S3ServeRetry, ClientReadsWholeObject) {
  start_faulty_server(GetParam().rules);
  make_raw(path("in.raw"), 12 * MiB);
  put_object("key", read_file(path("in.raw")));
  const result ended = serve(from_bucket(), R"(nbdcopy -C 4 "$uri" out.raw)");
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  EXPECT_GT(logged({"\"fault\""}), 0U) << "the rules were never applied";
  EXPECT_EQ(count_of("error", ended.err), 0U) << ended.err;
  EXPECT_GT(count_of("warning", ended.err), 0U) << ended.err;
}

const serve_trouble passing[] = {
    {"SlowDown",
     after_the_start(R"("do": "error", "status": 503, "code": "SlowDown", "times": 4)")},
    {"SlowDownForHalfOfAllRequests",
     after_the_start(R"("do": "error", "status": 503, "code": "SlowDown", "chance": 0.5)")},
    {"InternalError", after_the_start(R"("do": "error", "times": 2)")},
    {"BadGateway",
     after_the_start(R"("do": "error", "status": 502, "code": "BadGateway", "times": 2)")},
    {"ResetBeforeTheReply", after_the_start(R"("do": "reset", "times": 3)")},
    {"ConnectionThatIsCut", after_the_start(R"("do": "cut", "bytes": 300000, "times": 3)")},
    {"EndOfTheConnectionAsTheEndOfTheReply",
     after_the_start(R"("do": "cut", "bytes": 300000, "length": false, "times": 3)")},
    {"FewerBytes", after_the_start(R"("do": "short", "bytes": 1, "times": 3)")},
};
INSTANTIATE_TEST_SUITE_P(After, S3ServeRetry, ::testing::ValuesIn(passing),
                         [](const auto& it) { return it.param.name; });

/// A read of data that is not in the cache fails, and a read of cached data works.
const std::string one_read_fails = R"(
h.pread(512, 0)
fails_with(errno.EIO, h.pread, 512, 5 << 20)
h.pread(512, 4096)
)";

class S3ServeError : public s3_serve_test, public ::testing::WithParamInterface<serve_trouble> {};

TEST_P(S3ServeError, FailsReadWithEioAndOneLogLine) {
  const auto& it = GetParam();
  start_faulty_server(it.rules);
  put_object("key", std::string(8 * MiB, 'x'));
  const result ended = serve(from_bucket({"retry-timeout=1s"}), client_command(one_read_fails));
  EXPECT_TRUE(ended_with(0, ended));
  for (const auto& part : it.why) EXPECT_TRUE(mentions(ended.err, part));
  EXPECT_TRUE(mentions(ended.err, "s3://bucket/key: reading 1048576 bytes at 5242880: "));
  EXPECT_EQ(count_of("error", ended.err), 1U) << ended.err;
}

const serve_trouble lasting[] = {
    {"TheWholeObject", after_the_start(R"("do": "whole")"), {"the range", "HTTP 200"}},
    {"AnotherRange", after_the_start(R"("do": "shifted")"), {"the range", "HTTP 206"}},
    {"FewerBytes", after_the_start(R"("do": "short", "bytes": 1)"), {"fewer bytes"}},
    {"NoSuchObject",
     after_the_start(R"("do": "error", "status": 404, "code": "NoSuchKey")"),
     {"no such object", "NoSuchKey"}},
    {"NoSuchRange",
     after_the_start(R"("do": "error", "status": 416, "code": "InvalidRange")"),
     {"another object has replaced it"}},
    {"ServerThatFails", after_the_start(R"("do": "error")"), {"retry-timeout"}},
    {"ConnectionThatIsCut", after_the_start(R"("do": "cut", "bytes": 9)"), {"not answered"}},
    {"Redirection",
     after_the_start(R"("do": "error", "status": 307, "code": "TemporaryRedirect",
                        "headers": {"Location": "http://127.0.0.1:9/bucket/key"})"),
     {"redirections are not followed"}},
    {"Archive",
     after_the_start(R"("do": "error", "status": 403, "code": "InvalidObjectState")"),
     {"archive"}},
};
INSTANTIATE_TEST_SUITE_P(After, S3ServeError, ::testing::ValuesIn(lasting),
                         [](const auto& it) { return it.param.name; });

class S3ServeFaults : public s3_serve_test {};

TEST_F(S3ServeFaults, DeniedAccessFailsReadWithEpermAndIsLogged) {
  start_faulty_server(after_the_start(R"("do": "error", "status": 403, "code": "AccessDenied")"));
  put_object("key", std::string(8 * MiB, 'x'));
  const result ended =
      serve(from_bucket(), client_command("fails_with(errno.EPERM, h.pread, 512, 5 << 20)"));
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "access is denied"));
}

/// With a server that honours If-Match, and with one that ignores it.
TEST_F(S3ServeFaults, ReplacedObjectIsNeverMixedWithOldOne) {
  for (const arguments& server : {arguments{}, {"--no-conditions"}}) {
    start_server(server);
    put_object("key", std::string(8 * MiB, 'x'));
    process served = start_serve(from_bucket(), client_command(R"(
h.pread(512, 0)
touch('read')
wait_for('replaced')
fails_with(errno.EIO, h.pread, 512, 5 << 20)
assert h.pread(512, 4096) == b'x' * 512
)"));
    wait_for("read");
    write_file(object(), std::string(8 * MiB, 'y'));
    write_file(path("s3/about/bucket/key"), R"({"ETag": "\"4567\""})");
    write_file(path("replaced"), "");
    const result ended = served.wait();
    EXPECT_TRUE(ended_with(0, ended));
    EXPECT_TRUE(mentions(ended.err, "another object has replaced it"));
    std::filesystem::remove(path("read"));
    std::filesystem::remove(path("replaced"));
    kill_server();
  }
}

struct serve_denial {
  std::string name;
  std::vector<std::string> why;  ///< what the log says
  arguments settings = {};
  std::vector<std::string> environment = {};
  std::string key = "there";
};

void PrintTo(const serve_denial& it, std::ostream* out) {
  *out << it.name;
}

class S3ServeRefusalAtStart : public s3_serve_test,
                              public ::testing::WithParamInterface<serve_denial> {};

TEST_P(S3ServeRefusalAtStart, StopsBeforeCommandRuns) {
  const auto& it = GetParam();
  start_server();
  put_object("there", "old");
  const result ended = serve(from_bucket(it.settings, it.key), "touch ran", it.environment);
  EXPECT_TRUE(ended_with(2, ended));
  for (const auto& part : it.why) EXPECT_TRUE(mentions(ended.err, part));
  EXPECT_EQ(count_of("error", ended.err), 1U) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
}

const serve_denial serve_denials[] = {
    {"NoObject", {"s3://bucket/key: ", "no such object"}, {}, {}, "key"},
    {"OtherSecret", {"s3://bucket/there: ", "HTTP 403"}, {}, {"AWS_SECRET_ACCESS_KEY=other"}},
    {"NoKeys", {"credentials"}, {}, {"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}},
    {"SettingOfTheSink", {"no setting", "part-size", "retry-timeout"}, {"part-size=5M"}},
    {"NoKey", {"key"}, {}, {}, ""},
    {"KeyOfManyObjects", {"{time}", "as it is"}, {}, {}, "{time}"},
};
INSTANTIATE_TEST_SUITE_P(Reasons, S3ServeRefusalAtStart, ::testing::ValuesIn(serve_denials),
                         [](const auto& it) { return it.param.name; });

TEST_F(S3ServeFaults, UnreachableServerStopsBeforeCommandRuns) {
  const result ended = serve({"s3://bucket/key", "-o", "endpoint=http://127.0.0.1:9"}, "touch ran");
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "s3://bucket/key: looking at the object: the server has not"));
  EXPECT_FALSE(mentions(ended.err, "retry-timeout")) << "it is not for this";
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
}

TEST_F(S3ServeFaults, TemporaryErrorAtStartIsRetried) {
  start_faulty_server(R"([{"on": "HeadObject", "do": "error", "status": 503, "times": 2}])");
  put_object("key", "0123456789");
  EXPECT_TRUE(ended_with(0, serve(from_bucket(), "true")));
}

}  // namespace
}  // namespace nbdstream::test
