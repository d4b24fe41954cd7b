// SPDX-License-Identifier: BSD-3-Clause
//
// The sink s3 when a stream is aborted: neither an object remains, nor an upload that costs money.
#include "support/s3_test.hpp"

namespace nbdstream::test {
namespace {

class S3Abort : public s3_test {
 protected:
  /// A client that writes 12 MiB, creates the file `half`, and disconnects once the file `go`
  /// exists.
  [[nodiscard]] std::string waiting_client() const {
    make_raw(path("in.raw"), 12 * MiB);
    return client_command("send(file('in.raw'))\ntouch('half')\nwait_for('go')\nh.shutdown()\n");
  }

  /// Starts a stream of that client, and waits until the server has stored a part of it.
  [[nodiscard]] process start_half(const arguments& settings = {}) const {
    arguments args = to_bucket(settings);
    args.insert(args.end(), {"-U", "sock"});  // a kill would leave a private socket behind
    process stream = start_upload(args, waiting_client());
    wait_for("half");
    EXPECT_TRUE(will_log({"UploadPart", R"("event": "reply")", R"("status": 200)"}));
    return stream;
  }
};

TEST_F(S3Abort, FailedCommandLeavesNothing) {
  start_server();
  make_disk(12 * MiB);
  EXPECT_TRUE(ended_with(3, upload(to_bucket(), convert + "; exit 3")));
  expect_nothing_left();
  EXPECT_EQ(replies("CreateMultipartUpload", 200), 1U);
  EXPECT_GE(replies("AbortMultipartUpload", 204), 1U);
}

TEST_F(S3Abort, SourceErrorLeavesNothing) {
  start_server();
  EXPECT_TRUE(ended_with(1, upload(to_bucket(), convert_broken_source("\"$uri\""))));
  expect_nothing_left();
}

TEST_F(S3Abort, VanishedClientLeavesNothing) {
  start_server();
  make_raw(path("in.raw"), 12 * MiB);
  arguments args = to_bucket();
  args.insert(args.end(), {"-U", "sock", "-P", "pid"});
  process server = start_nbdstream(args, with_keys());
  wait_for("pid");
  process writer = start_client("send(file('in.raw'))\ntouch('half')\nstay()\n");
  wait_for("half");
  ASSERT_TRUE(will_log({"CreateMultipartUpload", R"("status": 200)"}));
  writer.signal(SIGKILL);
  EXPECT_TRUE(ended_with(1, server.wait()));
  expect_nothing_left();
}

TEST_F(S3Abort, SigtermAndSigintLeaveNothing) {
  for (const int number : {SIGTERM, SIGINT}) {
    start_server();
    process stream = start_half();
    stream.signal(number);
    EXPECT_TRUE(ended_with(128 + number, stream.wait()));
    expect_nothing_left();
    std::filesystem::remove(path("half"));
  }
}

TEST_F(S3Abort, SigkillLeavesOneIncompleteUpload) {
  start_server();
  process stream = start_half();
  stream.signal(SIGKILL);
  EXPECT_TRUE(ended_with(128 + SIGKILL, stream.wait()));
  write_file(path("go"), "");
  EXPECT_EQ(objects(), std::set<std::string>{});
  EXPECT_EQ(open_uploads(), 1U);
}

TEST_F(S3Abort, SigtermDuringUploadOfPartLeavesNothing) {
  start_faulty_server(R"([{"on": "UploadPart", "skip": 1, "do": "hold", "until": "release"}])");
  process stream = start_half();
  ASSERT_TRUE(will_log({R"("fault": "hold")"}));
  stream.signal(SIGTERM);
  ASSERT_TRUE(will_log({"AbortMultipartUpload", R"("event": "reply")"}));
  write_file(path("s3/release"), "");
  EXPECT_TRUE(ended_with(128 + SIGTERM, stream.wait()));
  expect_nothing_left();
}

/// A server that stops reading must not delay the end of nbdstream.
TEST_F(S3Abort, StalledPartDoesNotDelayIt) {
  start_faulty_server(R"([{"on": "UploadPart", "skip": 1, "do": "stall", "bytes": 100000}])");
  process stream = start_half();
  ASSERT_TRUE(will_log({R"("fault": "stall")"}));
  const deadline quick(std::chrono::seconds(5));
  stream.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, stream.wait()));
  EXPECT_FALSE(quick.passed());
  expect_nothing_left();
}

TEST_F(S3Abort, SigtermBeforeUploadIdLeavesNothing) {
  start_faulty_server(R"([{"on": "CreateMultipartUpload", "do": "hold", "until": "release"}])");
  process stream = start_upload(to_bucket(), waiting_client());
  ASSERT_TRUE(will_log({"CreateMultipartUpload", R"("fault": "hold")"}));
  stream.signal(SIGTERM);
  write_file(path("s3/release"), "");
  EXPECT_TRUE(ended_with(128 + SIGTERM, stream.wait()));
  expect_nothing_left();
}

TEST_F(S3Abort, IsRetriedUntilServerConfirmsIt) {
  start_faulty_server(R"([{"on": "AbortMultipartUpload", "do": "error", "status": 503,
                           "code": "SlowDown", "times": 1},
                          {"on": "AbortMultipartUpload", "do": "lost", "times": 1}])");
  make_disk(12 * MiB);
  EXPECT_TRUE(ended_with(3, upload(to_bucket(), convert + "; exit 3")));
  expect_nothing_left();
}

TEST_F(S3Abort, RefusalLogsAwsCommandForIt) {
  start_faulty_server(R"([{"on": "AbortMultipartUpload", "do": "error", "status": 403,
                           "code": "AccessDenied"}])");
  make_disk(12 * MiB);
  const result ended = upload(to_bucket(), convert + "; exit 3");
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_EQ(objects(), std::set<std::string>{});
  ASSERT_EQ(open_uploads(), 1U);
  EXPECT_TRUE(mentions(ended.err,
                       "aws s3api abort-multipart-upload --bucket 'bucket' --key 'key' "
                       "--upload-id '" +
                           *names_in("s3/uploads").begin() + "' --endpoint-url " + endpoint()));
}

TEST_F(S3Abort, MissingReplyLogsAwsCommandForItBeforeGivingUp) {
  start_faulty_server(R"([{"on": "AbortMultipartUpload", "do": "stall"}])");
  make_disk(12 * MiB);
  process stream = start_upload(to_bucket(), convert + "; exit 3");
  EXPECT_TRUE(
      eventually([&] { return stream.err().find("abort-multipart-upload") != std::string::npos; }));
  const result ended = stream.wait(std::chrono::seconds(90));
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_EQ(objects(), std::set<std::string>{});
}

/// The reply to CompleteMultipartUpload is lost, and the abort comes before the sink knows whether
/// the request worked.
TEST_F(S3Abort, ObjectCompletedMeanwhileIsDeleted) {
  for (const arguments& options : {arguments{}, {"--versioning"}}) {
    start_faulty_server(R"([{"on": "CompleteMultipartUpload", "do": "lost", "times": 1},
                            {"on": "HeadObject", "skip": 1, "times": 1, "do": "stall"}])",
                        options);
    make_disk(12 * MiB);
    arguments args = to_bucket();
    args.insert(args.end(), {"--log-level", "debug"});
    process stream = start_upload(args);
    ASSERT_TRUE(will_log({"HeadObject", R"("fault": "stall")"}));
    EXPECT_EQ(objects(), std::set<std::string>{"key"});
    stream.signal(SIGTERM);
    ASSERT_TRUE(eventually([&] { return stream.err().find("signal 15") != std::string::npos; }));
    stream.signal(SIGTERM);
    const result ended = stream.wait();
    EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
    expect_nothing_left();
    EXPECT_TRUE(std::filesystem::is_empty(path("s3/noncurrent")));
    std::filesystem::remove_all(path("s3"));
  }
}

/// The server no longer answers, so the sink cannot find out whether the object exists.
TEST_F(S3Abort, UnknownOutcomeOfCompletionIsLogged) {
  start_faulty_server(R"([{"on": "CompleteMultipartUpload", "do": "lost"},
                          {"on": "HeadObject", "skip": 1, "do": "error"}])");
  make_disk(12 * MiB);
  const result ended = upload(to_bucket({"retry-timeout=1s"}));
  EXPECT_TRUE(ended_with(1, ended));
  EXPECT_TRUE(mentions(ended.err, "whether the object is there is not known"));
  EXPECT_EQ(open_uploads(), 0U);
}

/// The first signal lets a commit in progress finish.
TEST_F(S3Abort, FirstSigtermLetsCommitFinish) {
  start_faulty_server(R"([{"on": "CompleteMultipartUpload", "do": "hold", "until": "release"}])");
  make_disk(12 * MiB);
  process stream = start_upload(to_bucket(), convert);
  ASSERT_TRUE(will_log({R"("fault": "hold")"}));
  stream.signal(SIGTERM);
  write_file(path("s3/release"), "");
  EXPECT_TRUE(ended_with(0, stream.wait()));
  expect_whole_object();
}

/// An abort must not affect the next stream of the same process.
TEST_F(S3Abort, NextStreamStillCommits) {
  start_server();
  make_raw(path("in.raw"), 12 * MiB);
  arguments args = to_bucket();
  args.insert(args.end(), {"-U", "sock", "-P", "pid", "--streams", "2", "--size", "12M"});
  process server = start_nbdstream(args, with_keys());
  wait_for("pid");
  EXPECT_TRUE(ended_with(0, client("send(file('in.raw')[:7 << 20])\n")));
  EXPECT_TRUE(eventually([&] { return server.err().find("aborted") != std::string::npos; }));
  EXPECT_TRUE(ended_with(0, start({"nbdcopy", "in.raw", unix_uri}).wait()));
  EXPECT_TRUE(ended_with(1, server.wait()));
  expect_whole_object();
}

}  // namespace
}  // namespace nbdstream::test
