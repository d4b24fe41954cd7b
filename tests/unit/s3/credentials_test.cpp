// SPDX-License-Identifier: BSD-3-Clause
#include "s3/credentials.hpp"

#include <gtest/gtest.h>

#include <array>
#include <nbdstream/sink.hpp>

#include "s3/credential_process.hpp"
#include "s3/metadata.hpp"
#include "scripted_errand.hpp"
#include "surroundings.hpp"

namespace nbdstream::s3 {
namespace {

std::string json_until(std::time_t expires, const std::string& key = "AKJ") {
  std::array<char, 32> text{};
  std::tm utc{};
  ::gmtime_r(&expires, &utc);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return R"({"AccessKeyId":")" + key + R"(","SecretAccessKey":"SECRET","Token":"TOKEN",)" +
         R"("Expiration":")" + text.data() + "\"}";
}

class Credentials : public surroundings {
 protected:
  credential_source& source(const std::string& profile = "default", bool prefer = false) {
    return source_.emplace(profile_files::of(profile), prefer);
  }
  std::string key() { return source_->current(net).access_key; }

  std::string error(const std::string& profile = "default") {
    try {
      (void)source(profile).current(net);
    } catch (const sink_error& error) {
      return error.what();
    }
    return "";
  }

  scripted_errand net;
  std::optional<credential_source> source_;
};

TEST_F(Credentials, ComeFromTheEnvironmentFirst) {
  set("AWS_ACCESS_KEY_ID", "AKE");
  set("AWS_SECRET_ACCESS_KEY", "SE");
  set("AWS_SESSION_TOKEN", "TE");
  write(".aws/credentials", "[default]\naws_access_key_id=AKF\naws_secret_access_key=SF\n");
  const credentials who = source().current(net);
  EXPECT_EQ(who.access_key, "AKE");
  EXPECT_EQ(who.secret_key, "SE");
  EXPECT_EQ(who.session_token, "TE");
}

TEST_F(Credentials, ComeFromAProfileThatIsNamedRatherThanFromTheEnvironment) {
  set("AWS_ACCESS_KEY_ID", "AKE");
  set("AWS_SECRET_ACCESS_KEY", "SE");
  write(".aws/config", "[profile work]\naws_access_key_id = AKF\naws_secret_access_key = SF\n");
  source("work", true);
  EXPECT_EQ(key(), "AKF");
}

TEST_F(Credentials, ComeFromTheFileOfCredentialsBeforeThatOfSettings) {
  write(".aws/credentials", "[default]\naws_access_key_id=AK1\naws_secret_access_key=S1\n");
  write(".aws/config", "[default]\naws_access_key_id=AK2\naws_secret_access_key=S2\n");
  source();
  EXPECT_EQ(key(), "AK1");
}

TEST_F(Credentials, ComeFromAFileThatTheEnvironmentNames) {
  write("elsewhere", "[default]\naws_access_key_id=AK3\naws_secret_access_key=S3\n");
  set("AWS_SHARED_CREDENTIALS_FILE", (home() / "elsewhere").string());
  source();
  EXPECT_EQ(key(), "AK3");
}

TEST_F(Credentials, AreReadAgainWhenTheirFileChanges) {
  write(".aws/credentials", "[default]\naws_access_key_id=AK1\naws_secret_access_key=S1\n");
  source();
  EXPECT_EQ(key(), "AK1");
  write(".aws/credentials", "[default]\naws_access_key_id=AK2\naws_secret_access_key=S2\n");
  EXPECT_EQ(key(), "AK2");
}

TEST_F(Credentials, ThatAreRefusedAreReplacedOnlyByOthers) {
  write(".aws/credentials", "[default]\naws_access_key_id=AK1\naws_secret_access_key=S1\n");
  const credentials old = source().current(net);
  EXPECT_FALSE(source_->replace(old, net));
  write(".aws/credentials",
        "[default]\naws_access_key_id=AK1\naws_secret_access_key=S1\n"
        "aws_session_token=T2\n");
  EXPECT_TRUE(source_->replace(old, net));
  EXPECT_EQ(source_->current(net).session_token, "T2");
}

TEST_F(Credentials, ComeFromACommandOfTheProfile) {
  write("json", R"({"Version":1,"AccessKeyId":"AKP","SecretAccessKey":"SP","SessionToken":"TP"})");
  write(".aws/config",
        "[default]\ncredential_process = cat '" + (home() / "json").string() + "'\n");
  const credentials who = source().current(net);
  EXPECT_EQ(who.access_key, "AKP");
  EXPECT_EQ(who.session_token, "TP");
}

TEST_F(Credentials, OfACommandThatFailsAreMissedWithoutItsOutput) {
  write(".aws/config", "[default]\ncredential_process = echo SECRET; exit 3\n");
  EXPECT_EQ(error(), "the credential_process exited with status 3");
  write(".aws/config", "[default]\ncredential_process = echo SECRET\n");
  EXPECT_EQ(error(), "the credential_process gives no credentials, as it gives no JSON object");
  write(".aws/config", "[default]\ncredential_process = kill -9 $$\n");
  EXPECT_EQ(error(), "the credential_process was killed by a signal");
}

TEST_F(Credentials, OfARoleAreLeftToACommand) {
  write(".aws/config", "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = y\n");
  EXPECT_NE(error().find("credential_process"), std::string::npos);
}

TEST_F(Credentials, ThatAreNowhereAreMissedBySayingWhatToDo) {
  EXPECT_NE(error().find("set AWS_ACCESS_KEY_ID"), std::string::npos);
  EXPECT_EQ(net.asked.size(), 0U);
}

TEST_F(Credentials, ComeFromTheServiceOfAContainer) {
  set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x");
  net.answer(200, json_until(std::time(nullptr) + 3600));
  source();
  EXPECT_EQ(key(), "AKJ");
  EXPECT_EQ(net.asked[0].url, "http://169.254.170.2/v2/credentials/x");
  EXPECT_TRUE(net.asked[0].direct);
  EXPECT_EQ(key(), "AKJ");
  EXPECT_EQ(net.asked.size(), 1U);
}

TEST_F(Credentials, OfAContainerAreGivenForTheTokenInItsFileAsItIsNow) {
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", (home() / "token").string());
  write("token", "first\n");
  net.answer(200, json_until(std::time(nullptr) + 100));
  source();
  (void)key();
  EXPECT_EQ(net.header(0, "authorization"), "first");
  write("token", "second");
  (void)key();
  EXPECT_EQ(net.header(1, "authorization"), "second");
  write("token", "two\nlines");
  EXPECT_NE(error().find("is not one line"), std::string::npos);
}

TEST_F(Credentials, OfAContainerAreNotAskedForElsewhere) {
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/");
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "SECRET");
  EXPECT_NE(error().find("AWS_CONTAINER_CREDENTIALS_FULL_URI"), std::string::npos);
  EXPECT_EQ(net.asked.size(), 0U);
}

TEST(ContainerService, IsTrustedOnThisHostOrWithACertificate) {
  for (const char* const url :
       {"https://example.com/x", "http://localhost:80/x", "http://127.0.0.1", "http://[::1]:9/x",
        "http://169.254.170.2/x", "http://169.254.170.23", "http://[fd00:ec2::23]/v1"})
    EXPECT_TRUE(is_trusted_service(url)) << url;
  for (const char* const url :
       {"http://example.com/", "http://localhost.evil.example/", "http://127.0.0.1@evil.example/",
        "http://localhost:80@evil.example/", "http://evil.example/127.0.0.1",
        "http://evil.example?127.0.0.1", "ftp://localhost/", ""})
    EXPECT_FALSE(is_trusted_service(url)) << url;
}

TEST_F(Credentials, ComeFromTheServiceOfAMachineByItsSecondVersion) {
  set("AWS_EC2_METADATA_DISABLED", "");
  net.answer(200, "IMDSTOKEN");
  net.answer(200, "my-role\n");
  net.answer(200, json_until(std::time(nullptr) + 3600));
  source();
  EXPECT_EQ(key(), "AKJ");
  ASSERT_EQ(net.asked.size(), 3U);
  const std::string at = "http://169.254.169.254/latest/";
  EXPECT_EQ(net.asked[0].method + " " + net.asked[0].url, "PUT " + at + "api/token");
  EXPECT_EQ(net.header(0, "x-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(net.asked[2].url, at + "meta-data/iam/security-credentials/my-role");
  EXPECT_EQ(net.header(2, "x-aws-ec2-metadata-token"), "IMDSTOKEN");
  for (const auto& request : net.asked) {
    EXPECT_TRUE(request.direct);
    EXPECT_EQ(request.connect, std::chrono::seconds(1));
    EXPECT_EQ(request.total, std::chrono::seconds(2));
  }
}

TEST_F(Credentials, OfAMachineThatDoesNotAnswerAreAskedForTwice) {
  set("AWS_EC2_METADATA_DISABLED", "");
  net.give_no_answer();
  EXPECT_NE(error().find("nobody is there"), std::string::npos);
  EXPECT_EQ(net.asked.size(), 2U);
}

TEST_F(Credentials, AreRenewedFiveMinutesBeforeTheyExpire) {
  set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
  net.answer(200, json_until(std::time(nullptr) + 290, "OLD"));
  net.answer(200, json_until(std::time(nullptr) + 310, "NEW"));
  source();
  EXPECT_EQ(key(), "OLD");
  EXPECT_EQ(key(), "NEW");
  EXPECT_EQ(key(), "NEW");
  EXPECT_EQ(net.asked.size(), 2U);
}

TEST_F(Credentials, ThatAreStillGoodServeWhileNobodyRenewsThem) {
  set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
  net.answer(200, json_until(std::time(nullptr) + 100, "OLD"));
  net.answer(500);
  source();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(key(), "OLD");
  EXPECT_EQ(net.asked.size(), 3U);
}

TEST_F(Credentials, ThatHaveExpiredDoNotServe) {
  set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
  net.answer(200, json_until(std::time(nullptr) - 1));
  net.answer(500);
  source();
  (void)key();
  EXPECT_THROW((void)key(), sink_error);
}

TEST(Lease, IsReadFromJson) {
  const lease one =
      parse_lease(R"({"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",)"
                  R"("Expiration":"2013-05-24T00:00:00Z"})",
                  "it");
  EXPECT_EQ(one.who.access_key, "A");
  EXPECT_EQ(one.who.secret_key, "S");
  EXPECT_EQ(one.who.session_token, "T");
  EXPECT_EQ(one.expires, std::optional<std::time_t>(1369353600));
  EXPECT_FALSE(parse_lease(R"({"AccessKeyId":"A","SecretAccessKey":"S"})", "it").expires);
}

TEST(Lease, IsRefusedWhereItIsNoneAndItsTextIsNotRepeated) {
  for (const char* const text :
       {"", "SECRET", "[]", "{}", R"({"AccessKeyId":"A"})",
        R"({"AccessKeyId":1,"SecretAccessKey":2})",
        R"({"Code":"Failed","AccessKeyId":"A","SecretAccessKey":"SECRET"})",
        R"({"AccessKeyId":"A\nB","SecretAccessKey":"SECRET"})",
        R"({"AccessKeyId":"A","SecretAccessKey":"SECRET","Expiration":"soon"})"}) {
    try {
      (void)parse_lease(text, "it");
      ADD_FAILURE() << text;
    } catch (const sink_error& error) {
      EXPECT_EQ(std::string(error.what()).find("SECRET"), std::string::npos) << error.what();
    }
  }
}

TEST(Lease, HasATimeWithAFractionOrAnOffset) {
  const std::optional<std::time_t> then = 1369353600;
  EXPECT_EQ(parse_time("2013-05-24T00:00:00Z"), then);
  EXPECT_EQ(parse_time("2013-05-24T00:00:00.123Z"), then);
  EXPECT_EQ(parse_time("2013-05-24T02:30:00+02:30"), then);
  EXPECT_EQ(parse_time("2013-05-23T23:00:00-01:00"), then);
  for (const char* const text : {"", "2013-05-24", "2013-05-24T00:00:00", "2013-05-24T00:00:00+1"})
    EXPECT_FALSE(parse_time(text)) << text;
}

TEST(Profile, IsFoundUnderEitherHeader) {
  const char* const text =
      "# a comment\n[default]\na = 1\n; another\n[profile work]\r\nb=2 = 3\r\n s3 =\n   c = 4\n"
      "[workshop]\nb = 5\n";
  EXPECT_EQ(parse_profile(text, "default"), (section{{"a", "1"}}));
  EXPECT_EQ(parse_profile(text, "work"), (section{{"b", "2 = 3"}}));
  EXPECT_EQ(parse_profile(text, "workshop"), (section{{"b", "5"}}));
  EXPECT_EQ(parse_profile(text, "none"), section{});
}

TEST(CredentialProcess, IsKilledWhereItTakesTooLongOrIsNotWanted) {
  const auto run = [](bool stopped) {
    return run_credential_process(
        "exec sleep 100", [=] { return stopped; }, std::chrono::milliseconds(100));
  };
  EXPECT_THROW((void)run(false), sink_error);
  EXPECT_THROW((void)run(true), sink_error);
}

}  // namespace
}  // namespace nbdstream::s3
