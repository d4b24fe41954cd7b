// SPDX-License-Identifier: BSD-3-Clause
//
// The S3 server of the tests, tried with rclone, s3cmd and curl: it accepts their requests, and
// refuses wrong ones.
#include "support/certificates.hpp"
#include "support/s3_test.hpp"

#include <ctime>

namespace nbdstream::test {
namespace {

const std::string zeroes_md5 = "0hNBKgBfJ9S0h8vYqQlCtQ==";

class FakeS3Server : public s3_test {
 protected:
  /// Runs curl(1), which prints the body and then the status in a line of its own.
  [[nodiscard]] std::string curl(const arguments& args) const {
    arguments argv{"curl", "-s", "--max-time", "20", "-w", "\n%{http_code}\n"};
    argv.insert(argv.end(), args.begin(), args.end());
    const result ended = start(argv, with_keys()).wait();
    EXPECT_TRUE(ended_with(0, ended));
    return ended.out;
  }

  /// A request that curl signs.
  [[nodiscard]] std::string signed_curl(const std::string& target, const arguments& more = {},
                                        const std::string& secret = "SK") const {
    arguments args{"--aws-sigv4", "aws:amz:us-east-1:s3",
                   "--user",      "AK:" + secret,
                   "-H",          "x-amz-content-sha256: UNSIGNED-PAYLOAD"};
    args.insert(args.end(), more.begin(), more.end());
    args.push_back(endpoint() + target);
    return curl(args);
  }

  /// Runs a script in which rclone finds the server as `remote:`.
  result rclone(const std::string& script) const {
    return start({"/bin/sh", "-ec", script},
                 with_keys({"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_REMOTE_TYPE=s3",
                            "RCLONE_CONFIG_REMOTE_PROVIDER=Other",
                            "RCLONE_CONFIG_REMOTE_ENV_AUTH=true",
                            "RCLONE_CONFIG_REMOTE_REGION=us-east-1",
                            "RCLONE_CONFIG_REMOTE_NO_CHECK_BUCKET=true",
                            "RCLONE_CONFIG_REMOTE_ENDPOINT=" + endpoint()}))
        .wait();
  }

  result s3cmd(arguments args) const {
    const std::string host = endpoint().substr(std::string("http://").size());
    args.insert(args.begin(),
                {"s3cmd", "-c", "/dev/null", "--access_key=AK", "--secret_key=SK", "--no-ssl",
                 "--host=" + host, "--host-bucket=" + host, "--multipart-chunk-size-mb=5"});
    return start(args, with_keys()).wait();
  }
};

TEST_F(FakeS3Server, StoresAndReturnsUploadOfRclone) {
  start_server();
  make_raw(path("in.raw"), 11 * MiB);
  EXPECT_TRUE(ended_with(0, rclone("rclone rcat remote:bucket/a/key < in.raw;"
                                   "rclone cat remote:bucket/a/key > out.raw;"
                                   "rclone cat --offset 5 --count 7 remote:bucket/a/key > part")));
  EXPECT_EQ(logged({"UploadPart", R"("status": 200)"}), 3U);
  EXPECT_TRUE(same_content(object("a%2Fkey"), path("in.raw")));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  EXPECT_TRUE(holds(path("part"), read_file(path("in.raw")).substr(5, 7)));
  EXPECT_EQ(open_uploads(), 0U);
}

TEST_F(FakeS3Server, StoresAndReturnsUploadOfS3cmd) {
  start_server();
  make_raw(path("in.raw"), 11 * MiB);
  EXPECT_TRUE(ended_with(0, s3cmd({"put", "in.raw", "s3://bucket/key + (1)"})));
  EXPECT_EQ(logged({"UploadPart", R"("status": 200)"}), 3U);
  EXPECT_TRUE(ended_with(0, s3cmd({"get", "s3://bucket/key + (1)", "out.raw"})));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
  EXPECT_TRUE(ended_with(0, s3cmd({"del", "s3://bucket/key + (1)"})));
  expect_nothing_left();
}

TEST_F(FakeS3Server, ListsOpenUploadsAndS3cmdAbortsThem) {
  start_server();
  make_raw(path("in.raw"), 5 * MiB);
  EXPECT_TRUE(mentions(signed_curl("/bucket/key?uploads=", {"-X", "POST"}), "<UploadId>"));
  const result list = s3cmd({"multipart", "s3://bucket"});
  EXPECT_TRUE(mentions(list.out, "s3://bucket/key"));
  const std::string upload = *names_in("s3/uploads").begin();
  EXPECT_TRUE(mentions(list.out, upload));
  EXPECT_TRUE(ended_with(0, s3cmd({"abortmp", "s3://bucket/key", upload})));
  expect_nothing_left();
}

/// An example of "Examples: Signature Calculations" in the manual of AWS.
struct example {
  std::string target;
  /// Of the signed headers: those before the headers that all requests have, and those after.
  std::string names;
  std::string more_names;
  std::string payload;  ///< its SHA-256
  std::string signature;
  std::string status;   ///< what the reply has in it
  arguments more = {};  ///< for curl
};

const std::string sha256_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const example examples[] = {
    {"/test.txt",
     "host;range;",
     "",
     sha256_of_nothing,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
     "NoSuchKey",
     {"-H", "Range: bytes=0-9"}},
    {"/test%24file.text",
     "date;host;",
     ";x-amz-storage-class",
     "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
     "\n200",
     {"-X", "PUT", "--data-binary", "Welcome to Amazon S3.", "-H", "Content-Type:", "-H",
      "Date: Fri, 24 May 2013 00:00:00 GMT", "-H", "x-amz-storage-class: REDUCED_REDUNDANCY"}},
    {"/?lifecycle", "host;", "", sha256_of_nothing,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "\n200"},
    {"/?max-keys=2&prefix=J", "host;", "", sha256_of_nothing,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "\n200"}};

class FakeS3ServerIn2013 : public FakeS3Server {
 protected:
  void SetUp() override {
    constexpr std::time_t then = 1369353600;  // 24 May 2013
    start_server({"--bucket", "examplebucket", "--domain", "s3.amazonaws.com", "--skew",
                  std::to_string(then - std::time(nullptr)), "--key",
                  "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"});
  }

  [[nodiscard]] std::string request(const example& it, const std::string& signature,
                                    const arguments& changed = {}) const {
    std::string authorization =
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        "aws4_request, SignedHeaders=";
    authorization += it.names;
    authorization += "x-amz-content-sha256;x-amz-date";
    authorization += it.more_names;
    authorization += ", Signature=";
    authorization += signature;
    arguments args{"-H",
                   "Host: examplebucket.s3.amazonaws.com",
                   "-H",
                   "x-amz-date: 20130524T000000Z",
                   "-H",
                   "x-amz-content-sha256: " + it.payload,
                   "-H",
                   authorization,
                   endpoint() + it.target};
    args.insert(args.end(), it.more.begin(), it.more.end());
    args.insert(args.end(), changed.begin(), changed.end());
    return curl(args);
  }
};

TEST_F(FakeS3ServerIn2013, AcceptsOnlySignaturesOfAwsManual) {
  for (const auto& it : examples) {
    EXPECT_TRUE(mentions(request(it, it.signature), it.status)) << it.target;
    std::string other = it.signature;
    other.back() = other.back() == '0' ? '1' : '0';
    EXPECT_TRUE(mentions(request(it, other), "SignatureDoesNotMatch")) << it.target;
  }
  EXPECT_TRUE(holds(path("s3/objects/examplebucket/test%24file.text"), "Welcome to Amazon S3."));
}

TEST_F(FakeS3ServerIn2013, RefusesBodyThatDiffersFromSignedOne) {
  EXPECT_TRUE(mentions(request(examples[1], examples[1].signature, {"--data-binary", "more"}),
                       "XAmzContentSHA256Mismatch"));
}

TEST_F(FakeS3Server, RefusesMissingKeyWrongKeyAndWrongTime) {
  start_server();
  EXPECT_TRUE(mentions(curl({endpoint() + "/bucket/key"}), "AccessDenied"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key", {}, "other"), "SignatureDoesNotMatch"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key", {"--user", "other:SK"}), "InvalidAccessKeyId"));
  EXPECT_TRUE(
      mentions(signed_curl("/bucket/key", {"-H", "x-amz-security-token: other"}), "InvalidToken"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key", {"--aws-sigv4", "aws:amz:mars:s3"}),
                       "<Region>us-east-1</Region>"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key"), "NoSuchKey"));
  start_server({"--skew", "1200"});
  EXPECT_TRUE(mentions(signed_curl("/bucket/key"), "RequestTimeTooSkewed"));
}

TEST_F(FakeS3Server, RefusesBodiesThatDifferFromTheirDigests) {
  start_server();
  const auto put = [&](const std::string& name, const std::string& value) {
    return signed_curl("/bucket/key",
                       {"-X", "PUT", "--data-binary", "hello", "-H", name + ": " + value});
  };
  EXPECT_TRUE(mentions(put("Content-MD5", zeroes_md5), "BadDigest"));
  EXPECT_TRUE(mentions(put("x-amz-checksum-sha256", zeroes_md5), "BadDigest"));
  EXPECT_EQ(objects(), std::set<std::string>{});
  EXPECT_TRUE(mentions(put("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="), "\n200"));
  EXPECT_TRUE(holds(object(), "hello"));
}

TEST_F(FakeS3Server, ChecksPartsOfCompleteMultipartUpload) {
  start_server();
  write_file(path("large"), pattern(5 * MiB));
  write_file(path("small"), "small");
  const auto part = [&](const std::string& upload, int number, const std::string& file) {
    return signed_curl("/bucket/key?partNumber=" + std::to_string(number) + "&uploadId=" + upload,
                       {"-T", file});
  };
  const auto complete = [&](const std::string& upload, const std::string& xml) {
    return signed_curl("/bucket/key?uploadId=" + upload,
                       {"-X", "POST", "--data-binary",
                        "<CompleteMultipartUpload>" + xml + "</CompleteMultipartUpload>"});
  };
  const auto row = [&](int number, const std::string& file) {
    return "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" +
           start_shell("md5sum < " + file + " | cut -c 1-32 | tr -d '\\n'").wait().out +
           "</ETag></Part>";
  };
  EXPECT_TRUE(mentions(signed_curl("/bucket/key?uploads=", {"-X", "POST"}), "<UploadId>"));
  const std::string id = *names_in("s3/uploads").begin();
  EXPECT_TRUE(mentions(part(id, 0, "large"), "InvalidArgument"));
  EXPECT_TRUE(mentions(part(id, 10001, "large"), "InvalidArgument"));
  EXPECT_TRUE(mentions(part("0123", 1, "large"), "NoSuchUpload"));
  for (const auto& [number, file] : {std::pair{1, "large"}, {2, "small"}, {4, "large"}})
    EXPECT_TRUE(mentions(part(id, number, file), "\n200"));
  const std::string first = row(1, "large"), second = row(2, "small"), last = row(4, "large");
  EXPECT_TRUE(mentions(complete(id, ""), "MalformedXML"));
  EXPECT_TRUE(mentions(complete(id, "<Part>"), "MalformedXML"));
  EXPECT_TRUE(mentions(complete(id, second + first + last), "InvalidPartOrder"));
  EXPECT_TRUE(mentions(complete(id, first + row(2, "large") + last), "InvalidPart"));
  EXPECT_TRUE(mentions(complete(id, first + last), "InvalidPart"));
  EXPECT_TRUE(mentions(complete(id, first + second + last), "EntityTooSmall"));
  EXPECT_TRUE(mentions(part(id, 2, "large"), "\n200"));
  EXPECT_TRUE(mentions(complete("0123", first), "NoSuchUpload"));
  EXPECT_EQ(objects(), std::set<std::string>{});
  const std::string whole = first + row(2, "large");
  for (int attempt = 0; attempt < 2; ++attempt)
    EXPECT_TRUE(mentions(complete(id, whole + last), "CompleteMultipartUploadRes"));
  EXPECT_TRUE(holds(object(), pattern(5 * MiB) + pattern(5 * MiB) + pattern(5 * MiB)));
}

TEST_F(FakeS3Server, IfNoneMatchKeepsExistingObject) {
  start_server();
  const auto put = [&](const std::string& body) {
    return signed_curl("/bucket/key",
                       {"-X", "PUT", "--data-binary", body, "-H", "If-None-Match: *"});
  };
  EXPECT_TRUE(mentions(put("first"), "\n200"));
  EXPECT_TRUE(mentions(put("second"), "PreconditionFailed"));
  EXPECT_TRUE(holds(object(), "first"));
  start_server({"--no-conditions"});
  EXPECT_TRUE(mentions(put("third"), "\n200"));
}

TEST_F(FakeS3Server, VersioningKeepsOldVersions) {
  start_server({"--versioning"});
  for (const char* body : {"first", "second"})
    EXPECT_TRUE(
        mentions(signed_curl("/bucket/key", {"-X", "PUT", "--data-binary", body}), "\n200"));
  EXPECT_TRUE(holds(object(), "second"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key", {"-X", "DELETE"}), "\n204"));
  EXPECT_TRUE(mentions(signed_curl("/bucket/key"), "NoSuchKey"));
  EXPECT_EQ(names_in("s3/noncurrent/bucket").size(), 2U);
}

TEST_F(FakeS3Server, ServesTls) {
  ASSERT_TRUE(ended_with(0, start_shell(make_certificates("pki")).wait()));
  start_server({"--certificate", "pki/server-cert.pem", "--private-key", "pki/server-key.pem"});
  EXPECT_TRUE(mentions(signed_curl("/bucket/key", {"--cacert", "pki/ca-cert.pem"}), "NoSuchKey"));
}

}  // namespace
}  // namespace nbdstream::test
