// SPDX-License-Identifier: BSD-3-Clause
//
// Which requests are repeated, how, and what is said of them. The answers are of a script.
#include "s3/client.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "client_surroundings.hpp"

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Client : public client_surroundings {
 protected:
  job of(operation what) const {
    job j;
    j.what = what;
    j.target = std::make_shared<object>(object{"key", "nonce", false});
    if (what == operation::part || what == operation::put) j.body = {nullptr, 1000};
    if (what == operation::part) j.number = 7;
    j.upload_id = "id";
    return j;
  }

  outcome run(operation what) {
    if (!one) {
      one.emplace(how, [this](nbdstream_log_level level, const std::string& text) {
        if (level <= NBDSTREAM_LOG_INFO) log.push_back(text);
      });
    }
    return one->run(net, of(what));
  }

  void answer_part() { net.answer(200, "", {{"etag", "\"e\""}}); }

  std::vector<std::string> log;
  std::optional<client> one;
};

TEST_F(Client, ReturnsWhatAPartWasStoredAs) {
  answer_part();
  const outcome result = run(operation::part);
  EXPECT_EQ(result.what, kind::done);
  EXPECT_EQ(result.part.etag, "\"e\"");
  EXPECT_EQ(net.asked[0].url, "http://host:9000/bucket/key?partNumber=7&uploadId=id");
}

TEST_F(Client, RepeatsWhatFailsUntilItSucceedsAndSaysSoOnce) {
  net.give_no_answer();
  net.answer_error(500, "InternalError");
  net.answer(408);
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_EQ(net.rests, (std::vector<duration>{milliseconds(500), seconds(1), seconds(2)}));
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[0],
            "s3://bucket/key: part 7: the server has not answered: nobody is there; it is "
            "tried again");
  EXPECT_TRUE(log[1].starts_with("the server works again")) << log[1];
}

TEST_F(Client, RepeatsAtLeastOnceHoweverShortItsPatience) {
  how.retry_timeout = seconds(0);
  net.give_no_answer();
  const outcome result = run(operation::part);
  EXPECT_EQ(result.what, kind::failed);
  EXPECT_EQ(net.asked.size(), 2U);
  EXPECT_TRUE(result.why.text.ends_with("given up after 2 attempts in 0 s (retry-timeout)"))
      << result.why.text;
}

TEST_F(Client, RepeatsAnAbortForAMinuteWhateverItsPatience) {
  how.retry_timeout = seconds(0);
  for (int i = 0; i < 5; ++i) net.answer(503);
  net.answer(204);
  EXPECT_EQ(run(operation::abort).what, kind::done);
}

TEST_F(Client, IsNotWellAgainAfterItHasGivenUp) {
  how.retry_timeout = seconds(0);
  net.give_no_answer();
  EXPECT_EQ(run(operation::part).what, kind::failed);
  net.forget();
  net.answer(204);
  EXPECT_EQ(run(operation::abort).what, kind::done);
  EXPECT_EQ(log.size(), 1U);
}

TEST_F(Client, KnowsThatAnUploadMayHaveBegunTwice) {
  net.give_no_answer();
  net.answer(200, "<UploadId>id</UploadId>");
  EXPECT_FALSE(run(operation::create).answer_lost);
  net.forget();
  net.give_no_answer();
  net.answers.front().sent = true;
  net.answer(200, "<UploadId>id</UploadId>");
  const outcome result = run(operation::create);
  EXPECT_EQ(result.upload_id, "id");
  EXPECT_TRUE(result.answer_lost);
}

TEST_F(Client, WaitsAsLongAsTheServerWantsAndSendsLess) {
  net.answer_error(503, "SlowDown", "", {{"retry-after", "7"}});
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_EQ(net.rests, std::vector<duration>{seconds(7)});
  EXPECT_EQ(net.slowed, 1U);
}

TEST_F(Client, GivesUpBodiesThatArriveDamagedAfterTheFifth) {
  net.answer_error(400, "BadDigest");
  EXPECT_EQ(run(operation::part).what, kind::failed);
  EXPECT_EQ(net.asked.size(), 5U);
}

TEST_F(Client, DoesNotRepeatWhatIsFinal) {
  for (const char* const code : {"AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId",
                                 "EntityTooLarge", "NoSuchBucket"}) {
    net.forget();
    net.answer_error(403, code);
    const outcome result = run(operation::part);
    EXPECT_EQ(result.what, kind::failed);
    EXPECT_EQ(net.asked.size(), 1U) << code;
    EXPECT_NE(result.why.text.find(code), std::string::npos) << result.why.text;
  }
}

TEST_F(Client, DoesNotTalkToWhomItCannotTrust) {
  net.give_no_answer(exchange::kind::untrusted);
  const outcome result = run(operation::part);
  EXPECT_EQ(result.what, kind::failed);
  EXPECT_EQ(net.asked.size(), 1U);
  EXPECT_NE(result.why.text.find("cannot be trusted"), std::string::npos);
}

TEST_F(Client, WantsAnEtagOfAPartAndAnIdentifierOfAnUpload) {
  net.answer(200);
  EXPECT_EQ(run(operation::part).what, kind::failed);
  EXPECT_EQ(run(operation::create).what, kind::failed);
  EXPECT_EQ(net.asked.size(), 10U);
}

TEST_F(Client, CorrectsItsClockByTheServersOnce) {
  const fields date{{"date", "Fri, 24 May 2013 00:00:00 GMT"}};
  net.answer_error(403, "RequestTimeTooSkewed", "", date);
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_EQ(net.header(1, "x-amz-date").substr(0, 11), "20130524T00");
  answer_part();
  (void)run(operation::part);
  EXPECT_EQ(net.header(2, "x-amz-date").substr(0, 11), "20130524T00");
  net.forget();
  for (const char* const day : {"1", "2", "3", "4"})
    net.answer_error(403, "RequestTimeTooSkewed", "",
                     {{"date", std::string("Fri, ") + day + " May 2014 00:00:00 GMT"}});
  EXPECT_EQ(run(operation::part).what, kind::failed);
  EXPECT_EQ(net.asked.size(), 2U);
}

TEST_F(Client, CorrectsItsClockAlsoWhereTheAnswerHasNoBody) {
  net.answer(403, "", {{"date", "Fri, 24 May 2013 00:00:00 GMT"}});
  net.answer(200, "", {{"content-length", "5"}, {"x-amz-meta-nbdstream-id", "nonce"}});
  const outcome result = run(operation::look);
  EXPECT_EQ(result.what, kind::done);
  EXPECT_EQ(result.length, 5U);
  EXPECT_EQ(result.nonce, "nonce");
}

TEST_F(Client, TakesNewCredentialsWhereTheOldHaveExpired) {
  set("AWS_ACCESS_KEY_ID", "");
  write(".aws/credentials", "[default]\naws_access_key_id=OLD\naws_secret_access_key=S\n");
  net.answer_error(400, "ExpiredToken");
  EXPECT_EQ(run(operation::part).what, kind::failed);
  EXPECT_EQ(net.asked.size(), 1U);
  write(".aws/credentials", "[default]\naws_access_key_id=NEW\naws_secret_access_key=S\n");
  net.answers.clear();
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_NE(net.header(1, "authorization").find("Credential=NEW/"), std::string::npos);
}

TEST_F(Client, LearnsThatABucketWantsMd5) {
  net.answer_error(400, "InvalidRequest", "<Message>Content-MD5 is required</Message>");
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_EQ(net.header(0, "content-md5"), "");
  EXPECT_EQ(net.header(1, "content-md5").size(), 24U);
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_EQ(net.header(2, "content-md5").size(), 24U);
}

TEST_F(Client, NeverFollowsARedirection) {
  net.answer_error(301, "PermanentRedirect", "",
                   {{"location", "http://evil.example/"}, {"x-amz-bucket-region", "eu-west-1"}});
  const outcome result = run(operation::part);
  EXPECT_EQ(result.what, kind::failed);
  EXPECT_EQ(net.asked.size(), 1U);
  EXPECT_NE(result.why.text.find("region=eu-west-1"), std::string::npos) << result.why.text;
}

TEST_F(Client, GoesToAnotherRegionOfAwsByAnAddressOfItsOwn) {
  how.own_endpoint = false;
  how.at = aws_endpoint("us-east-1");
  net.answer_error(301, "PermanentRedirect", "",
                   {{"location", "http://evil.example/"}, {"x-amz-bucket-region", "eu-west-1"}});
  answer_part();
  EXPECT_EQ(run(operation::part).what, kind::done);
  EXPECT_TRUE(net.asked[1].url.starts_with("https://bucket.s3.eu-west-1.amazonaws.com/key?"));
  EXPECT_NE(net.header(1, "authorization").find("/eu-west-1/s3/"), std::string::npos);
}

TEST_F(Client, LeavesOutTheConditionWhereTheServerKnowsNone) {
  net.answer_error(501, "NotImplemented");
  net.answer(200, "", {{"etag", "\"e\""}});
  EXPECT_EQ(run(operation::put).what, kind::done);
  EXPECT_EQ(net.header(0, "if-none-match"), "*");
  EXPECT_EQ(net.header(1, "if-none-match"), "");
}

TEST_F(Client, DoesNotRepeatByItselfWhatMakesAnObject) {
  for (const auto what : {operation::put, operation::complete}) {
    for (const int status : {500, 503}) {
      net.forget();
      net.answer_error(status, "InternalError");
      EXPECT_EQ(run(what).what, kind::doubtful);
      EXPECT_EQ(net.asked.size(), 1U);
    }
    net.forget();
    net.give_no_answer();
    EXPECT_EQ(run(what).what, kind::doubtful);
    EXPECT_EQ(net.asked.size(), 1U);
  }
}

TEST_F(Client, SaysWhatItDoesNotKnowOfAnObject) {
  net.answer(404);
  EXPECT_EQ(run(operation::look).what, kind::absent);
  net.forget();
  net.answer(403);
  EXPECT_EQ(run(operation::look).what, kind::forbidden);
  net.forget();
  net.answer_error(412, "PreconditionFailed");
  EXPECT_EQ(run(operation::complete).what, kind::exists);
}

TEST_F(Client, EndsSoonWhenItIsCalledBack) {
  net.give_no_answer();
  net.stop_after = 1;
  EXPECT_EQ(run(operation::part).what, kind::cancelled);
  EXPECT_EQ(net.asked.size(), 1U);
}

TEST_F(Client, ThatIsCalledBackKnowsWhetherTheObjectCanBeThere) {
  net.give_no_answer();
  net.stop_after = 1;
  EXPECT_EQ(run(operation::put).what, kind::cancelled);
  net.asked.clear();
  net.answers.front().sent = true;
  EXPECT_EQ(run(operation::put).what, kind::doubtful);
}

TEST_F(Client, NeverLogsASecret) {
  net.answer_error(403, "SignatureDoesNotMatch", "<StringToSign>SK</StringToSign>");
  const std::string text = run(operation::part).why.text;
  EXPECT_EQ(text.find("SK"), std::string::npos) << text;
}

}  // namespace
}  // namespace nbdstream::s3
