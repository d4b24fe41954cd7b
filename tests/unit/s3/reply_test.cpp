// SPDX-License-Identifier: BSD-3-Clause
#include "s3/reply.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace nbdstream::s3 {
namespace {

const std::string declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

reply error_reply(int status, const std::string& code, const std::string& more = "") {
  return {status, {}, declaration + "<Error><Code>" + code + "</Code>" + more + "</Error>"};
}

verdict of(operation what, const reply& answer) {
  return judge(what, answer).what;
}

std::string completed(const std::string& root) {
  return declaration + "  \n <" + root + " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
         "<Location>http://h/b/k</Location><Key>k</Key><ETag>&quot;abc-2&quot;</ETag></" + root +
         ">";
}

TEST(Element, IsFoundWithItsEntitiesResolved) {
  EXPECT_EQ(element("<a><b>x&amp;lt;&quot;&#34;</b></a>", "b"), "x&lt;\"\"");
  EXPECT_EQ(element("<a><b></b></a>", "b"), "");
  EXPECT_EQ(element("<a></a>", "b"), "");
}

TEST(Element, IsEmptyWhereItIsCut) {
  const std::string whole = "<UploadId>abc</UploadId>";
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(element(whole.substr(0, length), "UploadId"), "") << length;
}

TEST(Completion, IsGoodWithEitherRoot) {
  for (const char* const root :
       {"CompleteMultipartUploadResult", "CompleteMultipartUploadResponse"}) {
    EXPECT_EQ(end_of_completion(completed(root)), reply_end::whole);
    EXPECT_EQ(end_of_completion(completed(root) + "\r\n "), reply_end::whole);
    EXPECT_EQ(of(operation::complete, {200, {}, completed(root)}), verdict::good);
  }
}

TEST(Completion, MayHaveAnEmptyEtag) {
  const std::string body =
      "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>";
  EXPECT_EQ(of(operation::complete, {200, {}, body}), verdict::good);
}

TEST(Completion, IsNotGoodWhereItIsCutAtAnyByte) {
  const std::string whole = completed("CompleteMultipartUploadResult");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(end_of_completion(whole.substr(0, length)), reply_end::cut) << length;
    EXPECT_EQ(of(operation::complete, {200, {}, whole.substr(0, length)}), verdict::again);
  }
}

TEST(Completion, With200AndAnErrorIsWhatTheErrorIs) {
  EXPECT_EQ(of(operation::complete, error_reply(200, "InternalError")), verdict::again);
  EXPECT_EQ(of(operation::complete, error_reply(200, "AccessDenied")), verdict::refused);
  EXPECT_EQ(of(operation::complete, error_reply(200, "InvalidPart")), verdict::refused);
  EXPECT_EQ(of(operation::complete, {200, {}, "<Error></Error>"}), verdict::again);
}

struct row {
  int status;
  const char* code;
  verdict what;
};

class ErrorTable : public testing::TestWithParam<row> {};

TEST_P(ErrorTable, IsAsDocumented) {
  const row& r = GetParam();
  EXPECT_EQ(of(operation::part, error_reply(r.status, r.code)), r.what)
      << r.status << " " << r.code;
}

INSTANTIATE_TEST_SUITE_P(OfAPart, ErrorTable,
                         testing::ValuesIn(std::vector<row>{
                             {408, "", verdict::again},
                             {429, "TooManyRequests", verdict::slow_down},
                             {500, "InternalError", verdict::again},
                             {502, "", verdict::again},
                             {503, "SlowDown", verdict::slow_down},
                             {503, "ServiceUnavailable", verdict::slow_down},
                             {504, "", verdict::again},
                             {400, "RequestTimeout", verdict::again},
                             {400, "BadDigest", verdict::corrupt},
                             {400, "XAmzContentSHA256Mismatch", verdict::corrupt},
                             {400, "IncompleteBody", verdict::corrupt},
                             {403, "RequestTimeTooSkewed", verdict::skewed},
                             {400, "ExpiredToken", verdict::expired},
                             {400, "TokenRefreshRequired", verdict::expired},
                             {400, "InvalidToken", verdict::expired},
                             {403, "ExpiredToken", verdict::expired},
                             {403, "AccessDenied", verdict::refused},
                             {403, "SignatureDoesNotMatch", verdict::refused},
                             {403, "InvalidAccessKeyId", verdict::refused},
                             {404, "NoSuchBucket", verdict::refused},
                             {404, "NoSuchUpload", verdict::absent},
                             {400, "EntityTooLarge", verdict::refused},
                             {400, "InvalidRequest", verdict::refused},
                             {400, "SomethingNew", verdict::refused},
                             {301, "PermanentRedirect", verdict::elsewhere},
                             {307, "TemporaryRedirect", verdict::elsewhere},
                             {302, "", verdict::elsewhere},
                             {412, "PreconditionFailed", verdict::exists},
                             {409, "OperationAborted", verdict::again},
                         }));

TEST(Judgement, TurnsMd5OnWhereTheServerNamesIt) {
  const reply answer = error_reply(400, "InvalidRequest",
                                   "<Message>Content-MD5 OR x-amz-checksum- is required</Message>");
  EXPECT_EQ(of(operation::part, answer), verdict::wants_md5);
}

TEST(Judgement, KnowsWhereTheBucketIs) {
  reply answer = error_reply(301, "PermanentRedirect");
  answer.headers = {{"x-amz-bucket-region", "eu-west-1"}};
  EXPECT_EQ(judge(operation::part, answer).region, "eu-west-1");
  const reply malformed =
      error_reply(400, "AuthorizationHeaderMalformed", "<Region>eu-west-2</Region>");
  EXPECT_EQ(judge(operation::part, malformed).what, verdict::elsewhere);
  EXPECT_EQ(judge(operation::part, malformed).region, "eu-west-2");
  EXPECT_EQ(of(operation::part, error_reply(400, "AuthorizationHeaderMalformed")),
            verdict::refused);
}

TEST(Judgement, OfAConflictDependsOnWhatWasAsked) {
  const reply answer = error_reply(409, "ConditionalRequestConflict");
  EXPECT_EQ(of(operation::complete, answer), verdict::conflict);
  EXPECT_EQ(of(operation::put, answer), verdict::conflict);
}

TEST(Judgement, OfALookNeedsNoBody) {
  const auto look = [](int status) { return of(operation::look, {status, {}, ""}); };
  EXPECT_EQ(look(200), verdict::good);
  EXPECT_EQ(look(404), verdict::absent);
  EXPECT_EQ(look(403), verdict::forbidden);
  EXPECT_EQ(look(501), verdict::forbidden);
  EXPECT_EQ(look(400), verdict::expired);
  EXPECT_EQ(look(503), verdict::slow_down);
}

TEST(Judgement, OfAProbeKnowsWhatIsThereAndWhatIsNotKnown) {
  const auto probe = [](int status, const char* code) {
    return of(operation::probe, error_reply(status, code));
  };
  EXPECT_EQ(of(operation::probe, {206, {}, "x"}), verdict::good);
  EXPECT_EQ(probe(416, "InvalidRange"), verdict::good);
  EXPECT_EQ(probe(403, "InvalidObjectState"), verdict::good);
  EXPECT_EQ(probe(404, "NoSuchKey"), verdict::absent);
  EXPECT_EQ(probe(404, ""), verdict::absent);
  EXPECT_EQ(probe(403, "AccessDenied"), verdict::forbidden);
  EXPECT_EQ(probe(403, ""), verdict::forbidden);
  EXPECT_EQ(probe(403, "SignatureDoesNotMatch"), verdict::refused);
  EXPECT_EQ(probe(403, "InvalidAccessKeyId"), verdict::refused);
  EXPECT_EQ(probe(404, "NoSuchBucket"), verdict::refused);
}

TEST(Judgement, AsksWithoutAConditionWhereTheServerKnowsNone) {
  EXPECT_EQ(of(operation::put, error_reply(501, "NotImplemented")), verdict::unconditional);
  EXPECT_EQ(of(operation::complete, error_reply(501, "NotImplemented")), verdict::unconditional);
  EXPECT_EQ(of(operation::part, error_reply(501, "NotImplemented")), verdict::refused);
}

TEST(Judgement, NamesTheHostOfARedirectionButNothingElseOfIt) {
  reply answer = error_reply(307, "TemporaryRedirect");
  answer.headers = {{"location", "http://evil.example:81/x?y"}};
  EXPECT_EQ(judge(operation::part, answer).text,
            "the bucket is at another address, evil.example:81, and redirections are not followed: "
            "give its `endpoint` (TemporaryRedirect, HTTP 307)");
  answer.headers = {{"location", "http://a\x1b[31m/"}};
  EXPECT_EQ(judge(operation::part, answer).text.find('\x1b'), std::string::npos);
}

TEST(Judgement, ObeysRetryAfterUpToAMinute) {
  const auto after = [](const char* value) {
    return judge(operation::part, {503, {{"retry-after", value}}, ""}).retry_after;
  };
  EXPECT_EQ(after("7"), std::chrono::seconds(7));
  EXPECT_EQ(after("600"), std::chrono::seconds(60));
  EXPECT_EQ(after("Fri, 27 Nov 2026 10:00:00 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(after(""), std::chrono::seconds(0));
}

TEST(Judgement, SaysWhyWithTheCodeAndTheRequest) {
  reply answer = error_reply(403, "AccessDenied");
  answer.headers = {{"x-amz-request-id", "4442587FB7D0A2F9"}};
  const judgement j = judge(operation::part, answer);
  EXPECT_EQ(j.error, EACCES);
  EXPECT_EQ(j.text,
            "access is denied: a policy must allow this access key the request (AccessDenied, "
            "HTTP 403, request 4442587FB7D0A2F9)");
}

TEST(Judgement, NeverRepeatsWhatCouldForgeALine) {
  reply answer = error_reply(400, "Bad\nnbdstream: error");
  answer.headers = {{"x-amz-request-id", "\x1b[31m"}};
  EXPECT_EQ(judge(operation::part, answer).text, "the server does not take the request (HTTP 400)");
}

}  // namespace
}  // namespace nbdstream::s3
