// SPDX-License-Identifier: BSD-3-Clause
#include "s3/upload.hpp"

#include <gtest/gtest.h>

#include "model_server.hpp"

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;
using state = upload::state;

constexpr std::size_t part_size = 10;

/// An upload, its server, and a clock that jumps as far as a job wants to be delayed.
class Upload : public testing::Test {
 protected:
  void start(bool overwrite = false) {
    target = std::make_shared<object>(object{"key", "0123456789abcdef0123456789abcdef", overwrite});
    up.emplace(target, "s3://bucket/key", std::chrono::seconds(100));
    take();
  }

  static payload zeroes(std::size_t size) { return {nullptr, size}; }

  void take() {
    for (job& j : up->take_jobs()) queue.push_back(std::move(j));
  }

  void answer(const outcome& result) {
    const job j = queue.front();
    queue.pop_front();
    now += std::chrono::seconds(10);
    up->done(j, result, now);
    take();
  }

  /// Answers what is asked, but not an operation `until`.
  void run(std::optional<operation> until = {}) {
    while (!queue.empty() && queue.front().what != until) answer(server.serve(queue.front()));
  }

  void send_parts(unsigned count) {
    for (unsigned i = 0; i < count; ++i) up->part(zeroes(part_size));
    take();
  }

  void finish(std::size_t last, std::uint64_t length) {
    up->finish(zeroes(last), length, now);
    take();
  }

  void abort() {
    up->abort();
    take();
  }

  void expect_nothing_left() {
    abort();
    run();
    EXPECT_EQ(up->now(), state::aborted);
    EXPECT_EQ(up->leftover(), "");
    EXPECT_FALSE(server.parts);
    EXPECT_FALSE(server.object);
  }

  std::shared_ptr<object> target;
  std::optional<upload> up;
  model_server server;
  std::deque<job> queue;
  time_point now{};
};

TEST_F(Upload, OfNothingIsOnePutOfNothing) {
  start();
  finish(0, 0);
  run();
  EXPECT_EQ(up->now(), state::committed);
  EXPECT_EQ(server.asked[operation::put], 1);
  EXPECT_EQ(server.asked[operation::create], 0);
  EXPECT_EQ(server.object->length, 0U);
}

TEST_F(Upload, OfOnePartIsOnePut) {
  start();
  finish(part_size, part_size);
  run();
  EXPECT_EQ(up->now(), state::committed);
  EXPECT_EQ(server.asked[operation::put], 1);
  EXPECT_EQ(server.object->length, part_size);
}

TEST_F(Upload, OfMoreIsMultipart) {
  start();
  send_parts(2);
  finish(3, 2 * part_size + 3);
  run();
  EXPECT_EQ(up->now(), state::committed);
  EXPECT_EQ(server.asked[operation::part], 3);
  EXPECT_EQ(server.asked[operation::complete], 1);
  EXPECT_EQ(server.object->length, 2 * part_size + 3);
  EXPECT_EQ(server.object->nonce, target->nonce);
  EXPECT_EQ(up->committed().result().version, "v1");
}

TEST_F(Upload, SendsNoEmptyPartAtTheEnd) {
  start();
  send_parts(2);
  finish(0, 2 * part_size);
  run();
  EXPECT_EQ(up->now(), state::committed);
  EXPECT_EQ(server.asked[operation::part], 2);
}

TEST_F(Upload, SendsNoPartBeforeItHasItsIdentifier) {
  start();
  send_parts(3);
  ASSERT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.front().what, operation::create);
  answer(server.serve(queue.front()));
  ASSERT_EQ(queue.size(), 3U);
  for (const job& j : queue) EXPECT_EQ(j.upload_id, "id");
}

TEST_F(Upload, CompletesOnlyWhenEachPartIsAcknowledgedInWhateverOrder) {
  start();
  send_parts(2);
  run(operation::part);
  finish(0, 2 * part_size);
  std::swap(queue[0], queue[1]);
  answer(server.serve(queue.front()));
  ASSERT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.front().what, operation::part);
  run(operation::complete);
  ASSERT_EQ(queue.front().parts.size(), 2U);
  EXPECT_EQ(queue.front().parts[0].etag, "\"1\"");
  EXPECT_EQ(queue.front().parts[1].etag, "\"2\"");
}

TEST_F(Upload, OfAnotherLengthThanTheStreamFails) {
  start();
  send_parts(1);
  run();
  finish(1, part_size + 2);
  EXPECT_EQ(up->now(), state::failed);
  expect_nothing_left();
}

TEST_F(Upload, LooksBeforeItCompletesAndLeavesWhatIsThere) {
  start();
  server.object = {"somebody's", 5};
  server.conditional = false;
  send_parts(1);
  finish(1, part_size + 1);
  run();
  EXPECT_EQ(up->now(), state::failed);
  EXPECT_EQ(up->error().error, EEXIST);
  EXPECT_EQ(server.asked[operation::complete], 0);
  abort();
  run();
  EXPECT_EQ(server.object->nonce, "somebody's");
  EXPECT_FALSE(server.parts);
}

TEST_F(Upload, ReplacesWhatIsThereWhereItMay) {
  start(true);
  server.object = {"somebody's", 5};
  finish(1, 1);
  ASSERT_EQ(queue.front().what, operation::put);
  run();
  EXPECT_EQ(up->now(), state::committed);
  EXPECT_EQ(server.object->nonce, target->nonce);
}

TEST_F(Upload, OfWhichAPartFailsSendsNothingMore) {
  start();
  send_parts(3);
  run(operation::part);
  answer(model_server::of(kind::failed, "refused"));
  EXPECT_EQ(up->now(), state::failed);
  EXPECT_EQ(up->error().text, "refused");
  for (const job& j : queue) EXPECT_TRUE(*j.stop);
  send_parts(1);
  EXPECT_EQ(queue.size(), 2U);
}

TEST_F(Upload, AbortsOnlyWhenNothingRunsAnyMore) {
  start();
  send_parts(2);
  run(operation::part);
  abort();
  EXPECT_EQ(queue.size(), 2U);
  answer(model_server::of(kind::cancelled));
  EXPECT_EQ(queue.size(), 1U);
  answer(model_server::of(kind::cancelled));
  ASSERT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.front().what, operation::abort);
}

TEST_F(Upload, WaitsForItsIdentifierToAbortIt) {
  start();
  send_parts(1);
  abort();
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_TRUE(*queue.front().stop);
  expect_nothing_left();
  EXPECT_EQ(server.asked[operation::abort], 1);
}

TEST_F(Upload, IsAbortedTwiceWhereAPartWasOnItsWay) {
  start();
  send_parts(1);
  run(operation::part);
  abort();
  answer(model_server::of(kind::cancelled));
  run();
  EXPECT_EQ(server.asked[operation::abort], 2);
  EXPECT_EQ(up->now(), state::aborted);
}

TEST_F(Upload, SaysWhatAnAbortCouldNotRemove) {
  start();
  send_parts(1);
  run();
  abort();
  answer(model_server::of(kind::failed, "access is denied"));
  EXPECT_EQ(up->now(), state::aborted);
  EXPECT_EQ(up->leftover(), "access is denied");
  EXPECT_EQ(up->upload_id(), "id");
}

TEST_F(Upload, ThatIsCommittedCanStillBeAborted) {
  start();
  send_parts(1);
  finish(1, part_size + 1);
  run();
  ASSERT_EQ(up->now(), state::committed);
  expect_nothing_left();
}

}  // namespace
}  // namespace nbdstream::s3
