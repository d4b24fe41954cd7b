// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a stream is committed, with a server that lies, loses replies, or fails at any step.
#include <gtest/gtest.h>

#include <functional>

#include "model_server.hpp"
#include "s3/upload.hpp"

namespace nbdstream::s3 {
namespace {

using kind = outcome::kind;
using state = upload::state;

/// What comes of a job in place of what should.
using fault = std::function<outcome(model_server&, const job&)>;

outcome fails(model_server&, const job&) {
  return model_server::of(kind::failed, "refused");
}
/// The request arrives, the reply does not.
outcome reply_is_lost(model_server& server, const job& j) {
  (void)server.serve(j);
  return model_server::of(kind::doubtful, "no reply");
}
/// The request does not arrive.
outcome request_is_lost(model_server&, const job&) {
  return model_server::of(kind::doubtful, "no reply");
}
outcome upload_is_gone(model_server& server, const job& j) {
  server.parts.reset();
  return server.serve(j);
}
outcome somebody_is_faster(model_server& server, const job& j) {
  server.object = {"somebody's", 5};
  return server.serve(j);
}
outcome is_forbidden(model_server&, const job&) {
  return model_server::of(kind::forbidden, "not allowed");
}

class Committing : public testing::Test {
 protected:
  /// A stream of `parts` parts of 10 bytes and a half one, and the fault in the job that is `first`
  /// of its kind, or in each from then on.
  state stream(unsigned parts, operation where, const fault& f, bool ever_after = false) {
    const auto target = std::make_shared<object>(object{"key", "our nonce", false});
    up.emplace(target, "s3://bucket/key", std::chrono::seconds(100));
    for (unsigned i = 0; i < parts; ++i) up->part({nullptr, 10});
    up->finish({nullptr, 5}, parts * 10 + 5, now);
    bool done = false;
    run([&](const job& j) {
      if (j.what != where || (done && !ever_after)) return server.serve(j);
      done = true;
      return f(server, j);
    });
    return up->now();
  }

  void run(const std::function<outcome(const job&)>& serve) {
    for (unsigned count = 0; count < 200; ++count) {
      for (job& j : up->take_jobs()) queue.push_back(std::move(j));
      if (queue.empty()) return;
      const job j = queue.front();
      queue.pop_front();
      now += std::chrono::seconds(5);
      const bool given_up = j.stop && *j.stop;
      up->done(j, given_up ? model_server::of(kind::cancelled) : serve(j), now);
    }
    FAIL() << "it never ends";
  }

  void abort() {
    up->abort();
    run([&](const job& j) { return server.serve(j); });
  }

  void expect_committed(state ended) const {
    EXPECT_EQ(ended, state::committed) << up->error().text;
    ASSERT_TRUE(server.object);
    EXPECT_EQ(server.object->nonce, "our nonce");
    EXPECT_FALSE(server.parts);
  }

  std::optional<upload> up;
  model_server server;
  std::deque<job> queue;
  time_point now{};
};

TEST_F(Committing, BelievesTheObjectWhereTheReplyIsLost) {
  expect_committed(stream(2, operation::complete, reply_is_lost));
  EXPECT_EQ(server.asked[operation::complete], 1);
}

TEST_F(Committing, RepeatsARequestThatDidNotArrive) {
  expect_committed(stream(2, operation::complete, request_is_lost));
  EXPECT_EQ(server.asked[operation::complete], 1);
}

TEST_F(Committing, DoesBothForAPut) {
  expect_committed(stream(0, operation::put, reply_is_lost));
  server = {};
  expect_committed(stream(0, operation::put, request_is_lost));
}

TEST_F(Committing, GivesUpAfterItsPatience) {
  EXPECT_EQ(stream(2, operation::complete, request_is_lost, true), state::failed);
  EXPECT_TRUE(up->error().text.starts_with("no reply; given up")) << up->error().text;
  EXPECT_GE(now - time_point{}, std::chrono::seconds(100));
  abort();
  EXPECT_FALSE(server.parts);
}

TEST_F(Committing, FailsSoonWhereTheUploadIsGone) {
  EXPECT_EQ(stream(2, operation::complete, upload_is_gone), state::failed);
  EXPECT_EQ(up->error().text, "the upload is gone");
  EXPECT_LT(now - time_point{}, std::chrono::seconds(100));
}

TEST_F(Committing, LeavesTheObjectOfSomebodyWhoWasFaster) {
  for (const unsigned parts : {0U, 2U}) {
    server = {};
    const auto where = parts == 0 ? operation::put : operation::complete;
    EXPECT_EQ(stream(parts, where, somebody_is_faster), state::failed);
    EXPECT_EQ(up->error().error, EEXIST);
    abort();
    EXPECT_EQ(server.object->nonce, "somebody's");
    EXPECT_FALSE(server.parts);
  }
}

TEST_F(Committing, TakesA412AfterALostReplyForOurOwn) {
  const fault f = [first = true](model_server& s, const job& j) mutable {
    if (!std::exchange(first, false)) return s.serve(j);
    (void)s.serve(j);
    return model_server::of(kind::exists, "412");
  };
  expect_committed(stream(0, operation::put, f));
}

TEST_F(Committing, DoesNotNeedToLook) {
  expect_committed(stream(2, operation::look, is_forbidden, true));
  EXPECT_EQ(up->committed().unseen(), "not allowed");
}

TEST_F(Committing, FailsWhereTheObjectIsNotWhatWasSent) {
  const fault shorter = [](model_server& s, const job& j) {
    const outcome result = s.serve(j);
    s.object->length -= 1;
    return result;
  };
  EXPECT_EQ(stream(2, operation::complete, shorter), state::failed);
  EXPECT_NE(up->error().text.find("24 bytes"), std::string::npos) << up->error().text;
  abort();
  EXPECT_FALSE(server.object);
}

TEST_F(Committing, FailsWhereTheServerSaidSoAndNothingIsThere) {
  const fault lie = [](model_server& s, const job& j) {
    outcome result = s.serve(j);
    s.object.reset();
    return result;
  };
  EXPECT_EQ(stream(2, operation::complete, lie), state::failed);
  EXPECT_EQ(up->error().error, EIO);
}

/// Whatever fails in whatever job, once or always: it is either committed and there, or failed; and
/// after an abort nothing is left, or it is said.
TEST_F(Committing, EndsInExactlyOneWayWhereverItFails) {
  const std::vector<fault> faults{fails, reply_is_lost, request_is_lost, upload_is_gone,
                                  is_forbidden};
  for (const unsigned parts : {0U, 1U, 3U})
    for (const auto where :
         {operation::create, operation::part, operation::put, operation::complete, operation::look})
      for (std::size_t f = 0; f < faults.size(); ++f)
        for (const bool always : {false, true}) {
          SCOPED_TRACE(testing::Message() << parts << " parts, operation " << int(where)
                                          << ", fault " << f << ", always " << always);
          server = {};
          now = {};
          const state ended = stream(parts, where, faults[f], always);
          ASSERT_TRUE(ended == state::committed || ended == state::failed) << int(ended);
          if (ended == state::committed) {
            ASSERT_TRUE(server.object);
            EXPECT_EQ(server.object->length, parts * 10 + 5);
          }
          abort();
          EXPECT_EQ(up->now(), state::aborted);
          EXPECT_FALSE(server.object);
          EXPECT_TRUE(!server.parts || up->upload_id().empty());
        }
}

/// An abort at every step between two answers.
TEST_F(Committing, CanBeAbortedAtEveryStep) {
  for (unsigned steps = 0; steps < 12; ++steps) {
    SCOPED_TRACE(steps);
    server = {};
    const auto target = std::make_shared<object>(object{"key", "our nonce", false});
    up.emplace(target, "s3://bucket/key", std::chrono::seconds(100));
    for (unsigned i = 0; i < 3; ++i) up->part({nullptr, 10});
    up->finish({nullptr, 5}, 35, now);
    unsigned count = 0;
    run([&](const job& j) {
      outcome result = server.serve(j);
      if (count++ == steps) {
        up->abort();
        if (j.what != operation::create) result = model_server::of(kind::cancelled);
      }
      return result;
    });
    if (count <= steps) up->abort();
    run([&](const job& j) { return server.serve(j); });
    EXPECT_EQ(up->now(), state::aborted);
    EXPECT_EQ(up->leftover(), "");
    EXPECT_FALSE(server.parts);
    EXPECT_FALSE(server.object);
  }
}

}  // namespace
}  // namespace nbdstream::s3
