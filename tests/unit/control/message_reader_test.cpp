// SPDX-License-Identifier: BSD-3-Clause
#include "control/message_reader.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::control {
namespace {

using state = message_reader::state;

std::string of_size(std::size_t bytes) {
  return std::string(bytes, 'x');
}

/// What a peer that sends `text` is refused with; 0: it is not.
unsigned refusal_of(const std::string& text) {
  message_reader reader;
  reader.feed(text);
  return reader.current() == state::broken ? reader.refusal().status : 0;
}

TEST(MessageReader, FindsTheSameRequestHoweverItIsCut) {
  const std::string text =
      "POST /v1/abort HTTP/1.1\r\nHost: h\r\nOrigin: o\r\nAccept: a\r\nContent-Type: t\r\n"
      "Content-Length: 6\r\n\r\nreason";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    message_reader reader;
    reader.feed(text.substr(0, cut));
    EXPECT_EQ(reader.begun(), cut > 0);
    if (cut < text.size()) {
      ASSERT_EQ(reader.current(), state::more) << cut;
      reader.feed(text.substr(cut));
    }
    ASSERT_EQ(reader.current(), state::complete) << cut;
    const auto r = reader.take();
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.target, "/v1/abort");
    EXPECT_EQ(r.host + r.origin + r.accept + r.content_type, "hoat");
    EXPECT_EQ(r.body, "reason");
    EXPECT_TRUE(r.keep_alive);
    EXPECT_FALSE(r.http_1_0);
  }
}

TEST(MessageReader, FindsRequestsThatCameTogetherOneAfterAnother) {
  message_reader reader;
  reader.feed("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\nConnection: close\r\n\r\nGET /3");
  EXPECT_EQ(reader.take().target, "/1");
  ASSERT_EQ(reader.current(), state::complete);
  const auto second = reader.take();
  EXPECT_EQ(second.target, "/2");
  EXPECT_FALSE(second.keep_alive);
  EXPECT_EQ(reader.current(), state::more);
  EXPECT_TRUE(reader.begun());
}

TEST(MessageReader, AsksForAContentLengthInPlaceOfATransferEncoding) {
  for (const char* encoding : {"chunked", "gzip, chunked", "Chunked", "identity"}) {
    const std::string header =
        "POST / HTTP/1.1\r\nTransfer-Encoding: " + std::string(encoding) + "\r\n\r\n";
    // The last one is a body that Boost 1.74 does not survive.
    for (const char* body : {"", "3\r\nabc\r\n0\r\n\r\n", "0\r\n\r\nw"}) {
      EXPECT_EQ(refusal_of(header + body), 411U) << header << body;
    }
  }
}

TEST(MessageReader, ClosesAfterARequestOfHttp10) {
  message_reader reader;
  reader.feed("GET / HTTP/1.0\r\n\r\n");
  const auto r = reader.take();
  EXPECT_TRUE(r.http_1_0);
  EXPECT_FALSE(r.keep_alive);
}

TEST(MessageReader, TellsOnceThatItsPeerWaitsToContinue) {
  message_reader reader;
  reader.feed("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_TRUE(reader.asks_to_continue());
  EXPECT_FALSE(reader.asks_to_continue());
  reader.feed("x");
  EXPECT_EQ(reader.take().body, "x");
}

TEST(MessageReader, RefusesWhatIsNoRequest) {
  for (const char* text :
       {"\x16\x03\x01\x02\x01\x01\xfc", "NBDMAGIC\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_EQ(refusal_of(text), 400U) << text;
  }
}

TEST(MessageReader, RefusesWhatIsTooLarge) {
  EXPECT_EQ(refusal_of("GET /" + of_size(longest_header)), 414U);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nA: " + of_size(longest_header)), 431U);
  const auto body = [](std::size_t bytes) {
    return "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
           of_size(bytes);
  };
  EXPECT_EQ(refusal_of(body(longest_body)), 0U);
  EXPECT_EQ(refusal_of(body(longest_body + 1)), 413U);
}

TEST(MessageReader, NeverFindsAnythingBehindWhatItRefused) {
  message_reader reader;
  reader.feed("nonsense\r\n\r\n");
  ASSERT_EQ(reader.current(), state::broken);
  EXPECT_EQ(reader.feed("GET / HTTP/1.1\r\n\r\n"), state::broken);
}

TEST(Refusal, IsJsonWhateverStandsInIt) {
  EXPECT_EQ(refuse(404, "no \"a\"\n\xff").body,
            "{\"error\": \"no \\\"a\\\"\\u000a\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace nbdstream::control
