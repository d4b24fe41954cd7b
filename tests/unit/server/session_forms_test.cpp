// SPDX-License-Identifier: BSD-3-Clause
//
// Structured replies and extended headers.
#include "chunks.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t kib = 1024;

INSTANTIATE_TEST_SUITE_P(Both, SessionChunks, ::testing::Values(structured, extended),
                         [](const auto& p) { return p.index == 0 ? "structured" : "extended"; });

TEST_P(SessionChunks, ReadReturnsDataAndHoles) {
  auto& c = connect_so();
  const auto data = pattern(16 * kib);
  write(c, 8 * kib, data);
  zeroes(c, 32 * kib, 8 * kib);
  EXPECT_EQ(ask(c, [](auto& s) { s.read(0, 64 * kib); }),
            (chunk_texts{"hole 0+8192…", "data 8192+16384…", "hole 24576+40960"}));
  EXPECT_EQ(last_data(c), std::string(8 * kib, '\0') + data + std::string(40 * kib, '\0'));
  EXPECT_EQ(ask(c, [](auto& s) { s.read(9 * kib, kib); }), chunk_texts{"data 9216+1024"});
  EXPECT_EQ(last_data(c), data.substr(kib, kib));
}

TEST_P(SessionChunks, ReadWithDontFragmentReturnsOneDataChunk) {
  auto& c = connect_so();
  const auto data = pattern(16 * kib);
  write(c, 8 * kib, data);
  EXPECT_EQ(ask(c, [](auto& s) { s.read(0, 64 * kib, scripted_client::df); }),
            chunk_texts{"data 0+65536"});
  EXPECT_EQ(last_data(c), std::string(8 * kib, '\0') + data + std::string(40 * kib, '\0'));
}

TEST_P(SessionChunks, ReadOfUnwrittenBytesReturnsOneHole) {
  auto& c = connect_so();
  EXPECT_EQ(ask(c, [](auto& s) { s.read(5, 32 << 20); }), chunk_texts{"hole 5+33554432"});
  EXPECT_EQ(ask(c, [](auto& s) { s.read(5, 10, scripted_client::df); }), chunk_texts{"hole 5+10"});
  EXPECT_TRUE(r.tape.streams.empty());
}

TEST_P(SessionChunks, ReadOfLengthZeroReturnsOneChunkWithoutContent) {
  auto& c = connect_so();
  EXPECT_EQ(ask(c, [](auto& s) { s.read(5, 0); }), chunk_texts{"nothing"});
}

TEST_P(SessionChunks, ErrorChunkHasTheReasonAsText) {
  auto& c = connect_so();
  EXPECT_EQ(ask(c, [](auto& s) { s.read(0, (32 << 20) + 1); }), chunk_texts{"error 75"});
  EXPECT_EQ(reason(c), "more than 32 MiB");
  EXPECT_EQ(ask(c, [](auto& s) { s.request(99, 0, 1); }), chunk_texts{"error 22"});
  EXPECT_EQ(reason(c), "an unknown command");
  EXPECT_EQ(ask(c, [](auto& s) { s.read(~std::uint64_t{0}, 1); }), chunk_texts{"error 22"});
  EXPECT_EQ(ask(c, [](auto& s) { s.read(0, 1, 0x100); }), chunk_texts{"error 22"});
  EXPECT_EQ(ask(c, [](auto& s) { s.status(0, 0); }), chunk_texts{"error 22"});
}

TEST_P(SessionChunks, RequestsOnAFailedStreamGetErrorChunks) {
  auto& c = connect_so();
  write(c, 0, pattern(10));
  r.exported.stop("for a test");
  r.settle();
  say(c, [](scripted_client& s) { s.write(10, "more").flush(); });
  r.settle();
  EXPECT_EQ(answers(c), "1 2:5 3:5");
  EXPECT_NE(reason(c), "");
}

/// The write was held in the spill file: its answer comes when it is there.
void expect_answers_in_any_order(const std::string& answers, const std::string& expected) {
  const auto sorted = [](const std::string& text) {
    std::istringstream words(text);
    return std::multiset<std::string>(std::istream_iterator<std::string>(words), {});
  };
  EXPECT_EQ(sorted(answers), sorted(expected));
}

TEST_F(SessionHeaders, SuccessIsASimpleReplyWithStructuredReplies) {
  auto& c = connect(structured);
  EXPECT_EQ(ask(c, [](auto& s) { s.write(0, "data").flush().zeroes(4, 4).trim(8, 4); }),
            chunk_texts{});
  EXPECT_EQ(ask(c, [](auto& s) { s.request(scripted_client::cache_command, 0, 4); }),
            chunk_texts{});
  expect_answers_in_any_order(answers(c), "1 2 3 4 5");
}

TEST_F(SessionHeaders, SuccessIsAnExtendedReplyWithExtendedHeaders) {
  auto& c = connect(extended);
  EXPECT_EQ(ask(c, [](auto& s) { s.write(0, "data").flush().zeroes(4, 4).trim(8, 4); }),
            chunk_texts(4, "nothing"));
  EXPECT_EQ(ask(c, [](auto& s) { s.request(scripted_client::cache_command, 0, 4); }),
            chunk_texts{"nothing"});
  expect_answers_in_any_order(answers(c), "1 2 3 4 5");
}

TEST_F(SessionHeaders, UnexpectedPayloadIsSkippedAndRefused) {
  auto& c = connect(extended);
  const std::string payload(5000, 'x');
  for (const auto type :
       {scripted_client::read_command, scripted_client::flush_command,
        scripted_client::trim_command, scripted_client::cache_command, std::uint16_t{99}}) {
    EXPECT_EQ(ask(c, [&](auto& s) { s.request(type, 0, payload.size(), 0, payload); }),
              chunk_texts{"error 22"});
  }
  EXPECT_EQ(ask(c, [&](auto& s) { s.flush(); }), chunk_texts{"nothing"});
}

TEST_F(SessionHeaders, RequestHeaderOfTheWrongFormClosesTheConnection) {
  auto& compact = connect(structured);
  say(compact, [](auto& s) { s.raw(extended_request(0, 3, 1, 0, 0)); });
  auto& large = connect(extended);
  say(large, [](auto& s) { s.raw(request_message(0, 3, 1, 0, 0) + "more"); });
  r.settle();
  for (auto& c : clients) {
    EXPECT_TRUE(c.connection->done);
    EXPECT_EQ(answers(c), "");
  }
}

TEST_F(SessionHeaders, WriteWithoutPayloadLenFlagIsAccepted) {
  constexpr std::size_t answer = 32;  // bytes
  auto& c = connect(extended);
  write(c, 0, "data");
  const auto heard_before = c.connection->tape.from_server.size();
  say(c, [](auto& s) {
    s.raw(extended_request(0, 1, 2, 4, 4) + "more" + extended_request(0, 1, 3, 8, 4) + "last");
  });
  r.settle();
  EXPECT_FALSE(c.connection->done);
  EXPECT_EQ(c.connection->tape.from_server.size(), heard_before + 2 * answer);
}

TEST_F(SessionHeaders, TooLargePayloadClosesTheConnection) {
  for (const int bit : {26, 32, 50, 51, 62, 63}) {
    auto& c = connect(extended);
    say(c, [&](auto& s) {
      s.raw(extended_request(scripted_client::payload_len, 3, 1, 0, (std::uint64_t{1} << bit) - 1));
    });
    r.settle();
    EXPECT_TRUE(c.connection->done) << bit;
    EXPECT_EQ(answers(c), "");
  }
}

class SessionHeadersInWindow : public SessionHeaders {
 protected:
  SessionHeadersInWindow() : SessionHeaders(rig::windowed(1000)) {}
};

TEST_F(SessionHeadersInWindow, DelayedReplyRepeatsTheRequestOffset) {
  auto& c = connect(extended);
  write(c, 100, pattern(700));
  EXPECT_EQ(answers(c), "") << "the window is more than half full";
  write(c, 0, pattern(100));
  EXPECT_EQ(answers(c), "2 1");
  write(c, 900, pattern(700));
  r.exported.stop("for a test");
  r.settle();
  EXPECT_EQ(answers(c), "2 1 3:5");
  EXPECT_NE(reason(c), "");
}

TEST_F(SessionHeadersInWindow, RepliesToABatchRepeatTheRequestOffsets) {
  auto& c = connect(extended);
  write(c, 0, pattern(10));
  say(c, [](scripted_client& s) {
    for (std::uint64_t i = 1; i < 10; ++i) s.write(10 * i, pattern(10));
    s.write(100, pattern(10), scripted_client::fua).flush();
  });
  r.settle();
  EXPECT_EQ(answers(c), "1 2 3 4 5 6 7 8 9 10 11 12");
  EXPECT_EQ(std::ranges::count(r.tape.calls, "parts"), 1) << "and are served together";
}

class SessionHeadersInStrictOrder : public SessionHeaders {
 protected:
  SessionHeadersInStrictOrder() : SessionHeaders(rig::plain()) {}
};

TEST_F(SessionHeadersInStrictOrder, FastZeroIsNotSupported) {
  auto& c = connect(structured);
  EXPECT_EQ(ask(c, [](auto& s) { s.zeroes(0, 100, scripted_client::fast_zero); }),
            chunk_texts{"error 95"});
  EXPECT_NE(reason(c), "");
}

}  // namespace
}  // namespace nbdstream::test
