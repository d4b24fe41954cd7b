// SPDX-License-Identifier: BSD-3-Clause
#include "s3/settings.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <map>

#include "surroundings.hpp"

namespace nbdstream::s3 {
namespace {

class Settings : public surroundings {
 protected:
  /// A setting as the host has read it: `number` of all that are no text.
  void give(const std::string& name, const std::string& text, std::int64_t number = 0) {
    texts_.push_back(text);
    given_[name] = {sizeof(nbdstream_setting), 0, texts_.back().c_str(), number};
  }

  settings read() {
    for (const auto& option : known_options)
      if (option.default_value && !given_.contains(option.name))
        give(option.name, option.default_value, number_of(option.default_value));
    if (!given_.contains("url")) give("url", "//bucket/key");
    nbdstream_host host{};
    host.struct_size = sizeof host;
    host.context = &given_;
    host.setting = [](const nbdstream_host* h, const char* name) -> const nbdstream_setting* {
      const auto& known = *static_cast<const std::map<std::string, nbdstream_setting>*>(h->context);
      const auto found = known.find(name);
      return found == known.end() ? nullptr : &found->second;
    };
    return read_settings(sink_host(&host));
  }

  std::string refusal() {
    try {
      (void)read();
    } catch (const sink_error& error) {
      return error.what();
    }
    return "";
  }

 private:
  static std::int64_t number_of(const std::string& text) {
    const std::int64_t value = std::atoll(text.c_str());
    if (text == "true") return 1;
    if (text.ends_with('M')) return value << 20;
    if (text.ends_with('m')) return value * 60'000'000'000;
    return text.ends_with('s') ? value * 1'000'000'000 : value;
  }

  std::map<std::string, nbdstream_setting> given_;
  std::list<std::string> texts_;
};

TEST_F(Settings, AreThoseOfTheManualWhereNothingIsSaid) {
  const settings s = read();
  EXPECT_EQ(s.name.bucket, "bucket");
  EXPECT_EQ(s.region, "us-east-1");
  EXPECT_EQ(s.at.authority, "s3.us-east-1.amazonaws.com");
  EXPECT_FALSE(s.own_endpoint);
  EXPECT_FALSE(s.overwrite);
  EXPECT_EQ(s.connections, 4U);
  EXPECT_EQ(s.memory, 512U << 20);
  EXPECT_EQ(s.retry_timeout, std::chrono::minutes(15));
  EXPECT_EQ(s.stall_timeout, std::chrono::seconds(60));
  EXPECT_EQ(s.sum, checksum::sha256);
  EXPECT_TRUE(s.sign_payload);
  EXPECT_EQ(s.profile, "default");
}

TEST_F(Settings, HaveNoChecksumElsewhereUnlessTheServerWantsOne) {
  give("endpoint", "http://host:9000");
  EXPECT_EQ(read().sum, checksum::none);
  EXPECT_TRUE(read().learn_checksum);
  give("checksum", "none");
  EXPECT_FALSE(read().learn_checksum);
}

TEST_F(Settings, PreferTheOptionThenTheEnvironmentThenTheFile) {
  write(".aws/config",
        "[default]\nregion = r4\nendpoint_url = http://h4\n[profile p]\nregion = r5\n");
  EXPECT_EQ(read().region, "r4");
  EXPECT_EQ(read().at.authority, "h4");
  set("AWS_DEFAULT_REGION", "r3");
  set("AWS_ENDPOINT_URL", "http://h3");
  EXPECT_EQ(read().region, "r3");
  EXPECT_EQ(read().at.authority, "h3");
  set("AWS_REGION", "r2");
  set("AWS_ENDPOINT_URL_S3", "http://h2");
  EXPECT_EQ(read().region, "r2");
  EXPECT_EQ(read().at.authority, "h2");
  give("region", "r1");
  give("endpoint", "http://h1");
  EXPECT_EQ(read().region, "r1");
  EXPECT_EQ(read().at.authority, "h1");
}

TEST_F(Settings, KnowTheProfileOfTheEnvironment) {
  write(".aws/config", "[profile p]\nregion = r5\n");
  set("AWS_PROFILE", "p");
  EXPECT_EQ(read().region, "r5");
  EXPECT_FALSE(read().named_profile);
  give("profile", "q");
  EXPECT_EQ(read().profile, "q");
  EXPECT_TRUE(read().named_profile);
}

TEST_F(Settings, RefusePartsThatS3DoesNotTake) {
  give("part-size", "4M", 4 << 20);
  EXPECT_NE(refusal().find("part-size"), std::string::npos);
  give("part-size", "5M", 5 << 20);
  EXPECT_EQ(refusal(), "");
  give("part-size", "6G", std::int64_t{6} << 30);
  EXPECT_NE(refusal().find("part-size"), std::string::npos);
}

TEST_F(Settings, LeaveBytesUnsignedOnlyWhereTheyAreEncrypted) {
  give("sign-payload", "false", 0);
  EXPECT_EQ(refusal(), "");
  give("endpoint", "http://host");
  EXPECT_NE(refusal().find("https"), std::string::npos);
}

TEST_F(Settings, RefuseWhatIsNotKnown) {
  for (const char* const name : {"addressing", "checksum", "sse"}) {
    give(name, "what");
    EXPECT_NE(refusal().find(std::string(name) + "=what is not known"), std::string::npos);
    give(name, std::string(name) == "sse" ? "" : name == std::string("checksum") ? "none" : "auto");
  }
  give("connections", "0", 0);
  EXPECT_NE(refusal().find("connections"), std::string::npos);
}

TEST_F(Settings, RefuseACertificateFileThatIsNotThere) {
  give("ca-file", "/nowhere/ca.pem");
  EXPECT_NE(refusal().find("/nowhere/ca.pem"), std::string::npos);
}

TEST_F(Settings, RefuseAKeyOfEncryptionWithoutItsEncryption) {
  give("sse-kms-key", "k");
  EXPECT_NE(refusal().find("sse=aws:kms"), std::string::npos);
  give("sse", "aws:kms");
  EXPECT_EQ(read().object_headers, (fields{{"x-amz-server-side-encryption", "aws:kms"},
                                           {"x-amz-server-side-encryption-aws-kms-key-id", "k"}}));
}

TEST_F(Settings, RefuseALineBreakInAnyValue) {
  for (const char* const name : {"storage-class", "region", "sse-kms-key", "headers"}) {
    give(name, "a\r\nx: y");
    EXPECT_NE(refusal().find("line break"), std::string::npos) << name;
    give(name, "");
  }
}

TEST(Headers, AreNamesAndValues) {
  EXPECT_EQ(parse_headers("X-Amz-Tagging: a=b&c=d;  content-type : x/y ;"),
            (fields{{"x-amz-tagging", "a=b&c=d"}, {"content-type", "x/y"}}));
  EXPECT_EQ(parse_headers(""), fields{});
}

TEST(Headers, AreRefusedWhereTheyAreOursOrWouldCarryASecret) {
  for (const char* const text :
       {"Authorization: x", "host: x", "content-length: 1", "x-amz-date: x", "If-None-Match: *",
        "x-amz-meta-nbdstream-id: x", "x-amz-server-side-encryption-customer-key: x",
        "x-amz-checksum-sha256: x", "transfer-encoding: chunked", "no colon", ": x", "a b: c"})
    EXPECT_THROW((void)parse_headers(text), sink_error) << text;
}

TEST(Options, HaveNoSecrets) {
  for (const auto& option : known_options) EXPECT_EQ(std::strstr(option.name, "secret"), nullptr);
}

}  // namespace
}  // namespace nbdstream::s3
