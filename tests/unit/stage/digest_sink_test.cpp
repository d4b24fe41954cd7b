// SPDX-License-Identifier: BSD-3-Clause
#include "digest_fixture.hpp"

namespace nbdstream::test {
namespace {

using activity = sink::sink::activity;

class DigestSink : public ::testing::TestWithParam<data_path> {};
INSTANTIATE_TEST_SUITE_P(Paths, DigestSink, ::testing::ValuesIn(all_paths), name_of);

TEST_P(DigestSink, IsOfAllThatTheSinkGetsHoweverItComes) {
  digest_fixture f(GetParam());
  const auto data = numbered(3'000'001);
  const auto file = digest_fixture::file_with(data);
  std::string expected;
  f.run(f.write("a few bytes"));
  f.run(f.write_two("two ", "pieces"));
  f.run(f.write_zeroes(5'000'000));
  f.run(f.write_file(file.get(), 7, data.size() - 7));
  expected = "a few bytestwo pieces" + std::string(5'000'000, '\0') + data.substr(7);
  if (GetParam() != data_path::copied) {
    f.splice_all(data);
    expected += data;
    EXPECT_EQ(f.tape.spliced, data.size());
  }
  f.run(f.write("and the end"));
  f.expect_committed(expected + "and the end");
}

TEST(DigestSinkParts, AreHashedBeforeTheSinkSpoilsThem) {
  digest_fixture f;
  const auto much = numbered(2'000'000);
  f.run(f.write_two(much, "x"));
  f.expect_committed(much + "x");
}

TEST(DigestSinkSeal, CountsTheLastBytesBeforeTheyAreWritten) {
  digest_fixture f;
  f.run(f.write("body"));
  f.run(f.seal("e"));
  ASSERT_FALSE(f.failed) << f.failed.why;
  EXPECT_EQ(f.tape.data(), "body");
  EXPECT_EQ(f.print->value, sha256_of("bodye"));
  f.run(f.write("e"));
  f.run(f.commit());
  EXPECT_FALSE(f.failed);
  EXPECT_EQ(f.tape.data(), "bodye");
}

TEST(DigestSinkSplice, ReadsWhatTheSinkCannotSpliceAfterAll) {
  digest_fixture f(data_path::spliced);
  f.tape.unsupported_at = 2;  // calls: open, splice, splice
  const auto first = numbered(40'000);
  const auto second = numbered(50'000);
  f.splice_all(first);
  f.splice_all(second);
  EXPECT_FALSE(f.made->splices());
  f.expect_committed(first + second);
}

TEST(DigestSinkSplice, SaysThatTheSocketHasNothing) {
  digest_fixture f(data_path::spliced);
  f.run(f.splice(10));
  EXPECT_TRUE(f.did.source_empty);
  EXPECT_EQ(f.did.moved, 0u);
  f.run(f.abort());
}

TEST(DigestSinkSplice, TakesNoMoreThanItIsAskedFor) {
  digest_fixture f(data_path::spliced);
  ASSERT_EQ(::send(f.socket.write.get(), "paid for, and more", 18, 0), 18);
  f.run(f.splice(8));
  EXPECT_EQ(f.did.moved, 8u);
  EXPECT_EQ(drain(f.socket.read.get()), ", and more");
  f.expect_committed("paid for");
}

TEST(DigestSinkSplice, EndsWithTheSocket) {
  digest_fixture f(data_path::spliced);
  f.socket.write = {};
  f.run(f.splice(8));
  EXPECT_FALSE(f.did.source_empty);
  EXPECT_FALSE(f.did.error);
  EXPECT_EQ(f.did.moved, 0u);
  f.run(f.abort());
}

TEST(DigestSinkSplice, ShowsWhatHasLeftTheSocketWhileTheSinkTakesNothing) {
  digest_fixture f(data_path::spliced);
  f.tape.hold = "splice";
  ASSERT_EQ(::send(f.socket.write.get(), "on its way", 10, 0), 10);
  f.l.spawn(f.splice(100));
  ASSERT_TRUE(f.l.until([&] { return f.tape.waiting; }));
  EXPECT_EQ(f.made->moving(), 10u);
  EXPECT_EQ(f.made->busy(), activity::working);
  f.inner->release();
  f.l.finish();
  EXPECT_EQ(f.did.moved, 10u);
  EXPECT_EQ(f.made->moving(), 0u);
  f.expect_committed("on its way");
}

TEST(DigestSinkAbort, EndsACallThatWaitsForTheSink) {
  digest_fixture f(data_path::spliced);
  f.tape.hold = "splice";
  ASSERT_EQ(::send(f.socket.write.get(), "on its way", 10, 0), 10);
  f.l.spawn(f.splice(100));
  ASSERT_TRUE(f.l.until([&] { return f.tape.waiting; }));
  f.l.spawn(f.abort());
  f.l.finish();
  EXPECT_EQ(f.did.error, asio::error::operation_aborted);
  EXPECT_EQ(f.did.moved, 10u);
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
}

TEST(DigestSinkAbort, LeavesNothingOfTheStreamInTheNextOne) {
  digest_fixture f(data_path::spliced);
  f.tape.fail_at = 1;
  ASSERT_EQ(::send(f.socket.write.get(), "lost", 4, 0), 4);
  f.run(f.splice(4));
  EXPECT_TRUE(f.did.error);
  f.run(f.abort());
  f.tape.fail_at.reset();
  f.run(f.open());
  f.run(f.write("of the second stream"));
  f.splice_all("; spliced");
  f.expect_committed("of the second stream; spliced");
}

TEST(DigestSinkAbort, MayComeBeforeAnythingWasWritten) {
  digest_fixture f;
  f.run(f.abort());
  f.run(f.open());
  f.expect_committed("");
}

TEST(DigestSinkFailure, OfTheSinkIsTheFailureOfTheWrite) {
  for (const char* what : {"write", "zeroes", "parts"}) {
    digest_fixture f;
    f.tape.fail_at = 1;
    if (*what == 'w') f.run(f.write("x"));
    if (*what == 'z') f.run(f.write_zeroes(10));
    if (*what == 'p') f.run(f.write_two("x", "y"));
    EXPECT_EQ(f.failed.code.value(), EIO) << what;
    f.run(f.abort());
    EXPECT_EQ(f.tape.streams.back().aborts, 1);
  }
}

TEST(DigestSinkFailure, OfTheCommitIsFollowedByAnAbort) {
  digest_fixture f;
  f.run(f.write("x"));
  f.run(f.seal());
  f.tape.fail_at = f.tape.calls.size();
  f.run(f.commit());
  EXPECT_TRUE(f.failed);
  f.run(f.abort());
  EXPECT_EQ(f.tape.streams.back().aborts, 1);
}

TEST(DigestSinkTransit, CountsWhatTheHashingThreadHasNotRead) {
  digest_fixture f;
  f.tape.in_transit = 77;
  const auto file = digest_fixture::file_with("spilled");
  f.run(f.write_file(file.get(), 0, 7));
  EXPECT_EQ(f.made->in_transit(), 77u);
  f.tape.in_transit = 0;
  ASSERT_TRUE(f.l.until([&] { return f.made->in_transit() == 0; }));
  f.expect_committed("spilled");
}

TEST(DigestSinkStreams, FollowOneAnother) {
  digest_fixture f;
  for (int i = 0; i < 3; ++i) {
    if (i > 0) f.run(f.open());
    const auto text = numbered(1'000'000 + static_cast<std::size_t>(i));
    f.run(f.write(text));
    f.expect_committed(text);
  }
}

}  // namespace
}  // namespace nbdstream::test
