// SPDX-License-Identifier: BSD-3-Clause
#include "s3/request.hpp"

#include <gtest/gtest.h>

namespace nbdstream::s3 {
namespace {

constexpr std::time_t now = 1369353600;  // 2013-05-24, at midnight

class Request : public testing::Test {
 protected:
  void SetUp() override {
    how.name = {"bucket", "key"};
    how.stall_timeout = std::chrono::seconds(60);
    m.at = parse_endpoint("http://host:9000");
    m.region = "us-east-1";
  }

  http_request make(operation what) {
    job j;
    j.what = what;
    j.target = target;
    j.number = 7;
    j.upload_id = "a/b~c";
    j.version = "v 1";
    j.wanted = {100, 50, 1000, "\"etag\""};
    j.parts = {{"\"e1\"", ""}, {"<&>", "c2="}};
    body = body_of(j);
    const digests sums{"HEX", "SHA=", "MD5="};
    return make_request(j, how, m, body, sums, who, now);
  }

  static std::string header(const http_request& request, std::string_view name) {
    for (const auto& [known, value] : request.headers)
      if (known == name) return value;
    return "none";
  }

  settings how;
  request_mode m;
  std::shared_ptr<object> target = std::make_shared<object>(object{"a key", "nonce", false});
  credentials who{"AK", "SECRET", "TOKEN"};
  payload body;
};

TEST_F(Request, OfAGetNamesTheRangeAndTheObject) {
  const auto get = make(operation::get);
  EXPECT_EQ(header(get, "range"), "bytes=100-149");
  EXPECT_EQ(header(get, "if-match"), "\"etag\"");
  EXPECT_EQ(get.stall, std::chrono::seconds(60));
}

TEST_F(Request, OfEachOperationHasItsMethodAndItsQuery) {
  const std::string at = "http://host:9000/bucket/a%20key";
  const auto line = [&](operation what) {
    const http_request r = make(what);
    return r.method + " " + r.url;
  };
  EXPECT_EQ(line(operation::probe), "GET " + at);
  EXPECT_EQ(line(operation::create), "POST " + at + "?uploads=");
  EXPECT_EQ(line(operation::part), "PUT " + at + "?partNumber=7&uploadId=a%2Fb~c");
  EXPECT_EQ(line(operation::put), "PUT " + at);
  EXPECT_EQ(line(operation::complete), "POST " + at + "?uploadId=a%2Fb~c");
  EXPECT_EQ(line(operation::look), "HEAD " + at);
  EXPECT_EQ(line(operation::get), "GET " + at);
  EXPECT_EQ(line(operation::abort), "DELETE " + at + "?uploadId=a%2Fb~c");
  EXPECT_EQ(line(operation::remove), "DELETE " + at + "?versionId=v%201");
}

TEST_F(Request, IsSignedWithAllItsHeaders) {
  const http_request r = make(operation::put);
  EXPECT_EQ(header(r, "host"), "host:9000");
  EXPECT_EQ(header(r, "x-amz-date"), "20130524T000000Z");
  EXPECT_EQ(header(r, "x-amz-content-sha256"), "HEX");
  EXPECT_EQ(header(r, "x-amz-security-token"), "TOKEN");
  EXPECT_NE(header(r, "authorization")
                .find("SignedHeaders=content-type;host;if-none-match;x-amz-content-sha256;"
                      "x-amz-date;x-amz-meta-nbdstream-id;x-amz-security-token,"),
            std::string::npos)
      << header(r, "authorization");
}

TEST_F(Request, HasTheServersTimeAndNotOurs) {
  m.skew = 1200;
  EXPECT_EQ(header(make(operation::look), "x-amz-date"), "20130524T002000Z");
}

TEST_F(Request, ThatMakesAnObjectHasOurMarkAndWhatTheUserWants) {
  how.object_headers = {{"x-amz-storage-class", "STANDARD_IA"}, {"content-type", "x/y"}};
  for (const auto what : {operation::create, operation::put}) {
    const http_request r = make(what);
    EXPECT_EQ(header(r, "x-amz-meta-nbdstream-id"), "nonce");
    EXPECT_EQ(header(r, "x-amz-storage-class"), "STANDARD_IA");
    EXPECT_EQ(header(r, "content-type"), "x/y");
  }
  EXPECT_EQ(header(make(operation::part), "x-amz-storage-class"), "none");
  EXPECT_EQ(header(make(operation::complete), "x-amz-meta-nbdstream-id"), "none");
}

TEST_F(Request, ThatEndsAStreamIsConditionalUnlessItMayOverwrite) {
  for (const auto what : {operation::put, operation::complete}) {
    target->overwrite = false;
    EXPECT_EQ(header(make(what), "if-none-match"), "*");
    target->overwrite = true;
    EXPECT_EQ(header(make(what), "if-none-match"), "none");
  }
  target->overwrite = false;
  EXPECT_EQ(header(make(operation::part), "if-none-match"), "none");
  EXPECT_EQ(header(make(operation::create), "if-none-match"), "none");
}

TEST_F(Request, HasAChecksumOfItsBytesIfOneIsWanted) {
  EXPECT_EQ(header(make(operation::part), "x-amz-checksum-sha256"), "none");
  m.sum = checksum::sha256;
  EXPECT_EQ(header(make(operation::create), "x-amz-checksum-algorithm"), "SHA256");
  EXPECT_EQ(header(make(operation::part), "x-amz-checksum-sha256"), "SHA=");
  EXPECT_EQ(header(make(operation::put), "x-amz-checksum-sha256"), "SHA=");
  EXPECT_EQ(header(make(operation::part), "content-md5"), "none");
  m.sum = checksum::md5;
  EXPECT_EQ(header(make(operation::part), "content-md5"), "MD5=");
  EXPECT_EQ(header(make(operation::create), "x-amz-checksum-algorithm"), "none");
}

TEST_F(Request, LeavesOnlyDataUnsigned) {
  how.sign_payload = false;
  EXPECT_EQ(header(make(operation::part), "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(header(make(operation::put), "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(header(make(operation::complete), "x-amz-content-sha256"), "HEX");
  job j;
  j.what = operation::part;
  EXPECT_EQ(digests_for(j, how, m), (wanted_digests{false, false}));
  m.sum = checksum::sha256;
  EXPECT_EQ(digests_for(j, how, m), (wanted_digests{true, false}));
}

TEST_F(Request, ToCompleteListsEveryPart) {
  (void)make(operation::complete);
  const std::string text(reinterpret_cast<const char*>(body.bytes.get()), body.size);
  EXPECT_EQ(text,
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&lt;&amp;&gt;</ETag>"
            "<ChecksumSHA256>c2=</ChecksumSHA256></Part></CompleteMultipartUpload>");
}

TEST_F(Request, OfDataMayTakeAnyTimeAsLongAsBytesMove) {
  using std::chrono::seconds;
  for (const auto what : {operation::part, operation::put}) {
    EXPECT_EQ(make(what).total, seconds(0));
    EXPECT_EQ(make(what).stall, seconds(60));
  }
  EXPECT_EQ(make(operation::complete).total, seconds(0));
  EXPECT_EQ(make(operation::complete).stall, seconds(600));
  EXPECT_EQ(make(operation::probe).total, seconds(10));
  EXPECT_EQ(make(operation::create).total, seconds(30));
  EXPECT_EQ(make(operation::look).total, seconds(30));
  EXPECT_EQ(make(operation::abort).total, seconds(60));
}

TEST_F(Request, HasNoSecretInIt) {
  for (const auto what : {operation::create, operation::part, operation::complete}) {
    const http_request r = make(what);
    EXPECT_EQ(r.url.find("SECRET"), std::string::npos);
    EXPECT_EQ(r.url.find("TOKEN"), std::string::npos);
    for (const auto& [name, value] : r.headers)
      EXPECT_EQ(value.find("SECRET"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace nbdstream::s3
