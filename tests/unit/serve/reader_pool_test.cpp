// SPDX-License-Identifier: BSD-3-Clause
#include "serve/reader_pool.hpp"

#include "support/fake_log.hpp"
#include "unit/io/in_child.hpp"
#include "unit/io/loop.hpp"

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <semaphore>
#include <vector>

namespace nbdstream::serve {
namespace {

/// A pool of 4 threads, of which one client has at most 3.
class ReaderPool : public ::testing::Test {
 protected:
  ~ReaderPool() override { go_on_->release(100); }

  /// Starts a job that waits until it is let go, and returns 1.
  void start_waiting(reader_pool::client& by) {
    start(by, [began = began_, go_on = go_on_] {
      ++*began;
      go_on->acquire();
      return std::int64_t{1};
    });
  }
  void start(reader_pool::client& by, io::worker::job job) {
    asio::co_spawn(loop_, run(by, std::move(job)), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  }
  awaitable<void> run(reader_pool::client& by, io::worker::job job) {
    const auto result = co_await pool_.run(by, std::move(job));
    results_.push_back(result);
  }

  template <class Done>
  [[nodiscard]] bool run_until(Done reached) {
    return nbdstream::test::run_until(loop_, reached);
  }

  using results = std::vector<std::int64_t>;
  asio::io_context loop_{1};
  nbdstream::test::fake_log log_;
  // Jobs may outlive the test.
  std::shared_ptr<std::atomic<int>> began_ = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::counting_semaphore<>> go_on_ =
      std::make_shared<std::counting_semaphore<>>(0);
  reader_pool::client one_;
  reader_pool::client other_;
  results results_;
  reader_pool pool_{loop_.get_executor(), 4, log_};
};

TEST_F(ReaderPool, LeavesAThreadToOtherClients) {
  for (int i = 0; i < 6; ++i) start_waiting(one_);
  ASSERT_TRUE(run_until([&] { return *began_ == 3; }));
  start(other_, [] { return std::int64_t{7}; });
  ASSERT_TRUE(run_until([&] { return !results_.empty(); }));
  EXPECT_EQ(results_, results{7});
  EXPECT_EQ(*began_, 3);
  go_on_->release(6);
  ASSERT_TRUE(run_until([&] { return results_.size() == 7; }));
}

TEST_F(ReaderPool, LetsTheClientThatHasTheFewestBeNext) {
  reader_pool::client third;
  for (int i = 0; i < 3; ++i) start_waiting(one_);
  start_waiting(other_);
  ASSERT_TRUE(run_until([&] { return *began_ == 4; }));
  for (int i = 0; i < 3; ++i) start(one_, [] { return std::int64_t{11}; });
  start(third, [] { return std::int64_t{3}; });
  go_on_->release(1);
  ASSERT_TRUE(run_until([&] { return results_.size() >= 2; }));
  EXPECT_EQ(results_[1], 3);
  go_on_->release(3);
  ASSERT_TRUE(run_until([&] { return results_.size() == 8; }));
}

TEST_F(ReaderPool, BeginsNothingOfAClientThatIsCalledOff) {
  for (int i = 0; i < 5; ++i) start_waiting(one_);
  ASSERT_TRUE(run_until([&] { return *began_ == 3; }));
  EXPECT_FALSE(*one_.called_off());
  pool_.call_off(one_);
  EXPECT_TRUE(*one_.called_off());
  ASSERT_TRUE(run_until([&] { return results_.size() == 2; }));
  EXPECT_EQ(results_, (results{-ECANCELED, -ECANCELED}));
  go_on_->release(3);
  ASSERT_TRUE(run_until([&] { return results_.size() == 5; }));
  EXPECT_EQ(*began_, 3);
}

TEST_F(ReaderPool, IsBusyWhileAJobRunsThatWasGivenUp) {
  EXPECT_FALSE(pool_.busy());
  start_waiting(one_);
  ASSERT_TRUE(run_until([&] { return *began_ == 1; }));
  pool_.abandon();
  ASSERT_TRUE(run_until([&] { return results_ == results{-ECANCELED}; }));
  EXPECT_TRUE(pool_.busy());
}

/// From now on this thread starts no other.
void forbid_threads() {
  static sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{4, rules};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/// In a process of their own: what a process has forbidden itself stays so.
class ReaderPoolWithoutThreads : public ReaderPool {
 protected:
  void make_do();
  void fail_without();
};

void ReaderPoolWithoutThreads::make_do() {
  start_waiting(one_);
  ASSERT_TRUE(run_until([&] { return *began_ == 1; }));
  forbid_threads();
  start(other_, [] { return std::int64_t{7}; });
  start(other_, [] { return std::int64_t{8}; });
  ASSERT_TRUE(run_until([&] { return log_.says("the other threads continue"); }));
  EXPECT_EQ(results_, results{});
  go_on_->release(1);
  ASSERT_TRUE(run_until([&] { return results_.size() == 3; }));
  EXPECT_EQ(results_, (results{1, 7, 8}));
}

void ReaderPoolWithoutThreads::fail_without() {
  forbid_threads();
  start(one_, [] { return std::int64_t{7}; });
  start(one_, [] { return std::int64_t{7}; });
  ASSERT_TRUE(run_until([&] { return results_.size() == 2; }));
  EXPECT_EQ(results_, (results{-ENOMEM, -ENOMEM}));
  EXPECT_EQ(log_.lines.size(), 1u) << log_.all();
}

TEST_F(ReaderPoolWithoutThreads, MakesDoWithThoseThatThereAre) {
  const auto body = [this] {
    make_do();
    return HasFailure() ? 1 : 0;
  };
  EXPECT_EQ(nbdstream::test::in_child(body), 0);
}

TEST_F(ReaderPoolWithoutThreads, FailsWhereThereIsNone) {
  const auto body = [this] {
    fail_without();
    return HasFailure() ? 1 : 0;
  };
  EXPECT_EQ(nbdstream::test::in_child(body), 0);
}

}  // namespace
}  // namespace nbdstream::serve
