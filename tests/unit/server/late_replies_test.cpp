// SPDX-License-Identifier: BSD-3-Clause
#include "server/late_replies.hpp"

#include "rig.hpp"
#include "support/scripted_client.hpp"

#include <algorithm>
#include <vector>

namespace nbdstream::test {
namespace {

using protocol::wire_error;

class LateReplies : public ::testing::Test {
 protected:
  void add(fake_client& to, std::uint64_t end, std::uint64_t cookie) {
    late.add(end, to.me, protocol::cookie{cookie});
  }
  /// "1 3 2:5" for answers to the first, third and second request, the last of them EIO.
  static std::string answers(fake_client& of) {
    constexpr std::size_t size = protocol::simple_reply_size;
    const auto said = of.said();
    std::string text;
    for (std::size_t at = 0; at < said.size(); at += size) {
      const auto reply = std::string_view(said).substr(at, size);
      const auto error = from_big_endian(reply.substr(4), 4);
      text += (text.empty() ? "" : " ") + std::to_string(from_big_endian(reply.substr(8), 8));
      if (error != 0) text += ":" + std::to_string(error);
    }
    return text;
  }

  asio::io_context loop{1};
  fake_client a{loop.get_executor(), "a"};
  fake_client b{loop.get_executor(), "b"};
  late_replies late;
};

TEST_F(LateReplies, FollowTheOrderOfOffsets) {
  add(a, 300, 1);
  add(a, 100, 2);
  add(a, 200, 3);
  late.answer_before(99);
  EXPECT_EQ(answers(a), "");
  late.answer_before(100);
  EXPECT_EQ(answers(a), "2") << "the cursor has passed all of its bytes";
  late.answer_before(1000);
  EXPECT_EQ(answers(a), "2 3 1");
  EXPECT_TRUE(late.empty());
}

TEST_F(LateReplies, GoToTheClientOfTheirRequest) {
  add(a, 100, 1);
  add(b, 200, 1);
  add(a, 300, 2);
  late.answer_before(200);
  EXPECT_EQ(answers(a), "1");
  EXPECT_EQ(answers(b), "1");
  EXPECT_FALSE(late.empty());
}

TEST_F(LateReplies, AnswerAllOfOneClientLeavesOtherClientsWaiting) {
  add(a, 400, 1);
  add(b, 300, 1);
  add(a, 100, 2);
  add(b, 200, 2);
  add(a, 250, 3);
  late.answer_all(a.me);
  EXPECT_EQ(answers(a), "2 3 1");
  EXPECT_EQ(answers(b), "");
  late.answer_before(200);
  EXPECT_EQ(answers(b), "2");
  late.answer_before(300);
  EXPECT_EQ(answers(b), "2 1");
}

TEST_F(LateReplies, ForgetDropsOnlyTheRepliesOfThatClient) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto end = i * 37 % 20 * 10 + 10;  // every ten once, in no order
    add(i % 3 == 0 ? a : b, end, end);
  }
  late.forget(a.me);
  std::string meant;
  for (std::uint64_t end = 10; end <= 200; end += 10) {
    late.answer_before(end);
    for (std::uint64_t i = 1; i <= 20; ++i) {
      if (i * 37 % 20 * 10 + 10 == end && i % 3 != 0) {
        meant += (meant.empty() ? "" : " ") + std::to_string(end);
      }
    }
    EXPECT_EQ(answers(b), meant) << "before " << end;
  }
  EXPECT_EQ(answers(a), "");
  EXPECT_TRUE(late.empty());
}

TEST_F(LateReplies, FailureAnswersAllWithEioOnce) {
  add(a, 300, 1);
  add(b, 200, 1);
  add(a, 100, 2);
  late.answer_all(wire_error::io);
  EXPECT_EQ(answers(a), "2:5 1:5");
  EXPECT_EQ(answers(b), "1:5");
  EXPECT_TRUE(late.empty());
  late.answer_before(1000);
  late.answer_all(a.me);
  EXPECT_EQ(answers(a), "2:5 1:5") << "each is answered once";
}

TEST_F(LateReplies, OrderHoldsWhenRepliesAreAddedLater) {
  add(a, 500, 1);
  add(a, 100, 2);
  late.answer_before(100);
  add(a, 300, 3);
  add(b, 400, 1);
  late.answer_all(b.me);
  add(a, 200, 4);
  late.answer_all(wire_error::none);
  EXPECT_EQ(answers(a), "2 4 3 1");
  EXPECT_EQ(answers(b), "1");
}

}  // namespace
}  // namespace nbdstream::test
