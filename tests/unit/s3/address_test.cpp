// SPDX-License-Identifier: BSD-3-Clause
#include "s3/address.hpp"

#include <gtest/gtest.h>

#include <nbdstream/sink.hpp>

namespace nbdstream::s3 {
namespace {

TEST(ObjectName, IsReadInEachOfItsForms) {
  for (const char* const text :
       {"s3://bucket/a/key", "//bucket/a/key", "bucket/a/key", "s3:bucket/a/key"}) {
    EXPECT_EQ(parse_object_name(text).bucket, "bucket") << text;
    EXPECT_EQ(parse_object_name(text).key, "a/key") << text;
  }
  EXPECT_EQ(parse_object_name("//bucket//key").key, "/key");
  EXPECT_EQ(parse_object_name("//bucket/a:b?c#d").key, "a:b?c#d");
}

TEST(ObjectName, IsRefusedWithoutABucketOrAKey) {
  for (const char* const text : {"", "//", "///key", "//bucket", "//bucket/", "//buck et/key",
                                 "//buck@et/key", "//a..b/key", "//bucket/a\nb"})
    EXPECT_THROW((void)parse_object_name(text), sink_error) << text;
}

TEST(ObjectName, IsRefusedWithABraceThatMeansNothing) {
  EXPECT_NO_THROW((void)parse_object_name("//b/{export}-{stream}-{time}.raw"));
  EXPECT_THROW((void)parse_object_name("//b/{exports}"), sink_error);
  EXPECT_THROW((void)parse_object_name("//b/{export}{"), sink_error);
}

TEST(Key, GetsExportStreamAndTime) {
  EXPECT_EQ(expand_key("{export}/{stream}-{time}.raw", "vm1", 7, 1369353600),
            "vm1/7-20130524T000000Z.raw");
  EXPECT_EQ(expand_key("plain", "vm1", 7, 0), "plain");
  EXPECT_TRUE(has_placeholders("{stream}"));
  EXPECT_FALSE(has_placeholders("plain"));
}

TEST(Key, IsNotExpandedTwice) {
  EXPECT_EQ(expand_key("{export}", "{stream}", 7, 0), "{stream}");
}

TEST(Key, IsRefusedWhereNoObjectCanHaveIt) {
  EXPECT_THROW((void)expand_key("{export}", "", 1, 0), sink_error);
  EXPECT_THROW((void)expand_key("{export}", "a\nb", 1, 0), sink_error);
  EXPECT_NO_THROW((void)expand_key(std::string(1024, 'a'), "", 1, 0));
  EXPECT_THROW((void)expand_key(std::string(1025, 'a'), "", 1, 0), sink_error);
}

TEST(PercentEncoding, KeepsOnlyWhatIsUnreserved) {
  EXPECT_EQ(percent_encoded("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encoded("+:()!'* /"), "%2B%3A%28%29%21%27%2A%20%2F");
  EXPECT_EQ(percent_encoded("ä%"), "%C3%A4%25");
  EXPECT_EQ(percent_encoded("a/b c", true), "a/b%20c");
}

TEST(Endpoint, HasASchemeAHostAPortAndAPath) {
  const endpoint plain = parse_endpoint("http://127.0.0.1:9000");
  EXPECT_EQ(plain.scheme, "http");
  EXPECT_EQ(plain.authority, "127.0.0.1:9000");
  EXPECT_EQ(plain.path, "");
  EXPECT_FALSE(plain.encrypted());
  const endpoint with_path = parse_endpoint("https://[::1]:9000/storage/s3/");
  EXPECT_EQ(with_path.authority, "[::1]:9000");
  EXPECT_EQ(with_path.path, "/storage/s3");
  EXPECT_TRUE(with_path.encrypted());
}

TEST(Endpoint, IsWrittenWithoutItsUsualPort) {
  EXPECT_EQ(parse_endpoint("https://host:443").authority, "host");
  EXPECT_EQ(parse_endpoint("http://host:80/").authority, "host");
  EXPECT_EQ(parse_endpoint("https://host:80").authority, "host:80");
}

TEST(Endpoint, IsRefusedInAnyOtherForm) {
  for (const char* const url :
       {"", "host", "ftp://host", "https://", "https://:80", "https://host:0", "https://host:x",
        "https://user:secret@host", "https://host/?a", "https://ho st", "https://[::1",
        "https://host/#", "https://h\r\nX: y"})
    EXPECT_THROW((void)parse_endpoint(url), sink_error) << url;
}

TEST(Endpoint, NeverRepeatsCredentialsInItsError) {
  try {
    (void)parse_endpoint("https://user:secret@host");
    FAIL();
  } catch (const sink_error& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos);
  }
}

TEST(Endpoint, OfAmazonIsKnownByItsName) {
  EXPECT_EQ(aws_endpoint("eu-west-1").authority, "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(aws_endpoint("cn-north-1").authority, "s3.cn-north-1.amazonaws.com.cn");
  EXPECT_TRUE(aws_endpoint("eu-west-1").aws);
  EXPECT_TRUE(parse_endpoint("https://s3.dualstack.eu-west-1.amazonaws.com").aws);
  EXPECT_FALSE(parse_endpoint("https://amazonaws.com.evil.example").aws);
}

TEST(Region, IsPartOfAName) {
  EXPECT_TRUE(is_region("us-east-1"));
  for (const char* const text : {"", "a.b", "evil.example/", "a b"}) EXPECT_FALSE(is_region(text));
}

std::string url(const char* at, addressing how, const char* bucket, const char* key) {
  const endpoint e = parse_endpoint(at);
  return locate(e, how, bucket, key).url(e);
}

TEST(Location, IsAPathOrAHost) {
  constexpr auto automatic = addressing::automatic;
  EXPECT_EQ(url("http://h:1/p", automatic, "b", "a/k"), "http://h:1/p/b/a/k");
  EXPECT_EQ(url("http://h:1/p", addressing::virtual_host, "b", "k"), "http://b.h:1/p/k");
  const char* const aws = "https://s3.eu-west-1.amazonaws.com";
  EXPECT_EQ(url(aws, automatic, "b", "k"), "https://b.s3.eu-west-1.amazonaws.com/k");
  EXPECT_EQ(url(aws, automatic, "b.c", "k"), "https://s3.eu-west-1.amazonaws.com/b.c/k");
  EXPECT_EQ(url(aws, addressing::path, "b", "k"), "https://s3.eu-west-1.amazonaws.com/b/k");
}

TEST(Location, KeepsDotSegmentsAndDoubledSlashes) {
  EXPECT_EQ(url("http://h", addressing::path, "b", "a/../b//./c"), "http://h/b/a/../b//./c");
  EXPECT_EQ(url("http://h", addressing::path, "b", "ü ? #"), "http://h/b/%C3%BC%20%3F%20%23");
}

}  // namespace
}  // namespace nbdstream::s3
