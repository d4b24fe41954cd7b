// SPDX-License-Identifier: BSD-3-Clause
#include "server/service_report.hpp"

#include "support/datagrams.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace nbdstream::test {
namespace {

using namespace std::chrono_literals;

class ServiceReport : public ::testing::Test {
 protected:
  /// One export, which does this, and has sent so much.
  void look(status::state now, std::uint64_t sent, std::string name = "vm1") {
    status::process p;
    status::exported e;
    e.name = std::move(name);
    e.now = now;
    e.count.sent = sent;
    p.exports.push_back(std::move(e));
    report.look(p, at);
  }
  /// Everything that was told until now.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (std::string one; !(one = manager_.next(0ms)).empty();) all.push_back(one);
    return all;
  }
  /// How often more time was asked for.
  std::size_t asked() {
    std::size_t count = 0;
    for (const auto& one : told()) count += one == "EXTEND_TIMEOUT_USEC=30000000" ? 1 : 0;
    return count;
  }
  static std::string status_in(const std::vector<std::string>& all) {
    return all.size() == 1 && all.front().starts_with("STATUS=") ? all.front().substr(7) : "";
  }

 private:
  temp_directory directory_;
  datagrams manager_{directory_.path() / "notify"};
  systemd::notifier to_{directory_.path() / "notify"};

 public:
  service_report report{to_};
  io::clock::time_point at = io::clock::now();
};

TEST_F(ServiceReport, SendsReadyAndStoppingOnce) {
  look(status::state::waiting_for_client, 0);
  EXPECT_EQ(told().size(), 1U) << "a status, and nothing more before it is ready";
  report.ready();
  report.ready();
  EXPECT_EQ(told(), std::vector<std::string>{"READY=1"});
  report.stopping();
  report.stopping();
  EXPECT_EQ(told(), std::vector<std::string>{"STOPPING=1"});
}

TEST_F(ServiceReport, SendsStatusOnlyWhenItChanges) {
  look(status::state::waiting_for_client, 0);
  EXPECT_NE(status_in(told()).find("waiting for a client"), std::string::npos);
  look(status::state::waiting_for_client, 0);
  EXPECT_TRUE(told().empty());
  look(status::state::waiting_for_reader, 0);
  EXPECT_NE(status_in(told()).find("waiting for the reader"), std::string::npos);
}

TEST_F(ServiceReport, ExportNameCannotInjectAnAssignment) {
  look(status::state::streaming, 0, "a\nMAINPID=1");
  const auto status = status_in(told());
  EXPECT_NE(status, "");
  EXPECT_EQ(status.find('\n'), std::string::npos) << status;
}

TEST_F(ServiceReport, ReloadIsFollowedByReadyAgain) {
  report.ready();
  told();
  report.reloading();
  look(status::state::streaming, 0);
  const auto meanwhile = told();
  ASSERT_EQ(meanwhile.size(), 2U);
  EXPECT_TRUE(meanwhile[0].starts_with("RELOADING=1\nMONOTONIC_USEC=")) << meanwhile[0];
  EXPECT_TRUE(meanwhile[1].starts_with("STATUS=")) << meanwhile[1];
  report.ready_again();
  EXPECT_EQ(told(), std::vector<std::string>{"READY=1"});
}

TEST_F(ServiceReport, ExtendsTheTimeoutOnlyWhileStopping) {
  look(status::state::committing, 1);
  EXPECT_EQ(asked(), 0U);
  report.stopping();
  look(status::state::committing, 1);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(ServiceReport, ExtendsTheTimeoutEveryFiveSecondsDuringACommit) {
  report.stopping();
  for (int second = 0; second < 20; ++second) {
    look(status::state::committing, 1);
    at += 1s;
  }
  EXPECT_EQ(asked(), 4U);
}

TEST_F(ServiceReport, DoesNotExtendTheTimeoutWithoutProgress) {
  look(status::state::aborting, 1);
  report.stopping();
  for (int second = 0; second < 20; ++second) {
    look(status::state::aborting, 1);
    at += 1s;
  }
  EXPECT_EQ(asked(), 0U);
  look(status::state::aborting, 2);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(ServiceReport, StopsExtendingAfterAnHourWithoutProgress) {
  report.stopping();
  look(status::state::committing, 1);
  look(status::state::committing, 1);
  at += 59min;
  told();
  look(status::state::committing, 1);
  EXPECT_EQ(asked(), 1U);
  at += 2min;
  look(status::state::committing, 1);
  EXPECT_EQ(asked(), 0U);
  look(status::state::committing, 2);
  EXPECT_EQ(asked(), 1U);
}

}  // namespace
}  // namespace nbdstream::test
