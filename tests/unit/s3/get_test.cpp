// SPDX-License-Identifier: BSD-3-Clause
//
// How a range of an object is asked for, and which answers have it.
#include "s3/client.hpp"
#include "s3/reply.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "client_surroundings.hpp"

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;
using std::chrono::seconds;

const std::string etag = "\"e\"";
const std::string ten_bytes = "0123456789";

/// Ten bytes in the middle of an object of a thousand.
const range wanted{100, 10, 1000, etag};

reply ranged(const std::string& body = ten_bytes,
             const std::string& content_range = "bytes 100-109/1000",
             const std::string& tag = etag) {
  return {206, {{"etag", tag}, {"content-range", content_range}}, body};
}

TEST(Range, OfTheAnswerIsTheOneThatWasAskedFor) {
  EXPECT_EQ(judge(wanted, ranged()).what, verdict::good);
  for (const char* const other : {"", "bytes 0-9/1000", "bytes 100-110/1000", "bytes 100-109/999",
                                  "bytes 100-109/10000", "bytes 100-109/*", "bytes 100-109"}) {
    const judgement seen = judge(wanted, ranged(ten_bytes, other));
    EXPECT_EQ(seen.what, verdict::refused) << other;
    EXPECT_EQ(seen.error, EPROTO);
    EXPECT_EQ(seen.text, "the server has not sent the range that was asked for (HTTP 206)");
  }
}

TEST(Range, OfFewerOrMoreBytesIsAskedForAgain) {
  for (const char* const body : {"", "012345678", "01234567890"})
    EXPECT_EQ(judge(wanted, ranged(body)).what, verdict::corrupt) << body;
}

TEST(Range, OfAnotherObjectIsRefusedAlsoWhereTheServerIgnoresIfMatch) {
  for (const char* const tag : {"\"f\"", "", "e"}) {
    const judgement seen = judge(wanted, ranged(ten_bytes, "bytes 100-109/1000", tag));
    EXPECT_EQ(seen.what, verdict::refused) << tag;
    EXPECT_EQ(seen.error, ESTALE);
    EXPECT_EQ(seen.text, "another object has replaced it");
  }
}

TEST(Range, ThatTheServerFindsToBeOfAnotherObjectIsRefused) {
  for (const int status : {412, 416}) {
    const judgement seen = judge(wanted, {status, {}, ""});
    EXPECT_EQ(seen.what, verdict::refused);
    EXPECT_EQ(seen.error, ESTALE);
  }
  const reply said{412, {}, "<Error><Code>PreconditionFailed</Code></Error>"};
  EXPECT_EQ(judge(wanted, said).error, ESTALE);
}

TEST(Range, ThatIsTheWholeObjectMayBeSentAsSuch) {
  const range all{0, 10, 10, etag};
  const reply whole{200, {{"etag", etag}}, ten_bytes};
  EXPECT_EQ(judge(all, whole).what, verdict::good);
  EXPECT_EQ(judge({0, 10, 1000, etag}, whole).what, verdict::refused);
  EXPECT_EQ(judge({1, 10, 11, etag}, whole).what, verdict::refused);
}

TEST(Range, OfAnArchivedObjectIsNotWaitedFor) {
  const reply archived{403, {}, "<Error><Code>InvalidObjectState</Code></Error>"};
  const judgement seen = judge(wanted, archived);
  EXPECT_EQ(seen.what, verdict::refused);
  EXPECT_NE(seen.text.find("archive"), std::string::npos) << seen.text;
}

class Get : public client_surroundings {
 protected:
  outcome get(const range& of = wanted) {
    client one(how, [](nbdstream_log_level, const std::string&) {});
    job j;
    j.what = operation::get;
    j.target = std::make_shared<object>(object{"key", "", false});
    j.wanted = of;
    return one.run(net, j);
  }

  void answer(const reply& with) { net.answer(with.status, with.body, with.headers); }
};

TEST_F(Get, AsksForTheRangeOfThisObjectAlone) {
  answer(ranged());
  const outcome result = get();
  EXPECT_EQ(result.what, kind::done);
  EXPECT_EQ(result.bytes, ten_bytes);
  EXPECT_EQ(net.asked[0].method, "GET");
  EXPECT_EQ(net.asked[0].url, "http://host:9000/bucket/key");
  EXPECT_EQ(net.header(0, "range"), "bytes=100-109");
  EXPECT_EQ(net.header(0, "if-match"), etag);
  EXPECT_NE(net.header(0, "authorization").find("SignedHeaders=host;if-match;range;"),
            std::string::npos)
      << net.header(0, "authorization");
}

TEST_F(Get, MayTakeAnyTimeAndAsManyBytesAsItWants) {
  answer(ranged());
  (void)get();
  EXPECT_EQ(net.asked[0].total, duration::zero());
  EXPECT_EQ(net.asked[0].stall, seconds(60));
  EXPECT_EQ(net.asked[0].longest_answer, 64U << 10) << "which an error needs";
  (void)get({0, 1 << 20, 1 << 20, etag});
  EXPECT_EQ(net.asked[1].longest_answer, 1U << 20);
}

TEST_F(Get, IsRepeatedUntilAllBytesHaveCome) {
  net.give_no_answer();
  net.answer_error(503, "SlowDown");
  answer(ranged("0123"));
  answer(ranged());
  const outcome result = get();
  EXPECT_EQ(result.what, kind::done);
  EXPECT_EQ(result.bytes, ten_bytes);
  EXPECT_EQ(net.asked.size(), 4U);
}

TEST_F(Get, IsNotRepeatedWhereTheObjectIsAnotherOneOrGone) {
  for (const int status : {404, 412, 416}) {
    net.forget();
    net.answer(status);
    const outcome result = get();
    EXPECT_NE(result.what, kind::done);
    EXPECT_EQ(net.asked.size(), 1U) << status;
    EXPECT_EQ(result.why.text.find("s3://bucket/key: reading 10 bytes at 100: "), 0U)
        << result.why.text;
  }
}

TEST_F(Get, DoesNotReadOnWhereAServerSendsAllOfIt) {
  net.give_no_answer();  // as the transport calls an answer that was too long
  net.answers.front().answer = {200, {{"etag", etag}}, std::string(64 << 10, 'x')};
  const outcome result = get();
  EXPECT_EQ(result.what, kind::failed);
  EXPECT_EQ(net.asked.size(), 1U);
}

}  // namespace
}  // namespace nbdstream::s3
