// SPDX-License-Identifier: BSD-3-Clause
#include "systemd/notifier.hpp"

#include "support/datagrams.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace nbdstream::systemd {
namespace {

using std::chrono::microseconds;

class Notifier : public ::testing::Test {
 protected:
  ~Notifier() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  [[nodiscard]] std::string path() const { return directory_.path() / "notify"; }

 private:
  test::temp_directory directory_;
};

TEST_F(Notifier, SendsToAPath) {
  const test::datagrams manager(path());
  const notifier to(path());
  EXPECT_TRUE(to.send("READY=1"));
  EXPECT_EQ(manager.next(), "READY=1");
}

TEST_F(Notifier, SendsToAnAbstractSocket) {
  const auto name = "@nbdstream-test-" + std::to_string(::getpid());
  const test::datagrams manager(name);
  EXPECT_TRUE(notifier(name).send("READY=1"));
  EXPECT_EQ(manager.next(), "READY=1");
}

TEST_F(Notifier, TakesWhatItIsToldOutOfTheEnvironment) {
  ::setenv("NOTIFY_SOCKET", path().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const auto taken = notifier::take_from_environment();
  EXPECT_TRUE(taken);
  EXPECT_EQ(taken.watchdog(), microseconds(3'000'000));
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(std::getenv(name), nullptr) << name;
  }
}

TEST_F(Notifier, LeavesAWatchdogThatIsMeantForAnotherProcessAlone) {
  ::setenv("NOTIFY_SOCKET", path().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(notifier::take_from_environment().watchdog(), std::nullopt);
}

TEST_F(Notifier, WithoutAManagerSendsNothingAndSaysThatAllIsWell) {
  const auto none = notifier::take_from_environment();
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.send("READY=1"));
}

TEST_F(Notifier, NeverWaitsForAManagerThatIsBusy) {
  const test::datagrams manager(path());
  const notifier to(path());
  int sent = 0;
  while (to.send("WATCHDOG=1")) ++sent;
  EXPECT_GT(sent, 0);
}

TEST_F(Notifier, RefusesWhatIsNoUnixSocket) {
  for (const std::string address : {"vsock:2:1", "notify", "/", "@"}) {
    EXPECT_THROW(notifier{address}, std::invalid_argument) << address;
  }
  EXPECT_THROW(notifier{"/" + std::string(200, 'x')}, std::invalid_argument);
}

}  // namespace
}  // namespace nbdstream::systemd
