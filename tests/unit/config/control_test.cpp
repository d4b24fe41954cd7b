// SPDX-License-Identifier: BSD-3-Clause
//
// What is configured of being seen and told from outside.
#include "config/parse.hpp"
#include "config/validate.hpp"
#include "unit/config/config_support.hpp"

namespace nbdstream::config {
namespace {

TEST(Control, IsThisUsersAloneUnlessToldOtherwise) {
  const auto config = parse({"--control=/run/c"}).config.server;
  EXPECT_EQ(config.control, "/run/c");
  EXPECT_EQ(config.control_mode, 0600U);
  EXPECT_EQ(parse({"--control=c", "--control-mode", "0660"}).config.server.control_mode, 0660U);
  EXPECT_TRUE(names(refusal({"--control-mode=0660"}), {"--control"}));
  EXPECT_TRUE(names(refusal({"--control=" + std::string(200, 'x')}), {"--control", "107"}));
}

TEST(Metrics, AreServedOnLoopbackUnlessToldOtherwise) {
  const auto at = [](const std::string& text) {
    return *parse({"--metrics", text}).config.server.metrics;
  };
  EXPECT_EQ(at("9110"), (listen_address{kind::tcp, "", "127.0.0.1", 9110}));
  EXPECT_EQ(at("0"), (listen_address{kind::tcp, "", "127.0.0.1", 0}));
  EXPECT_EQ(at("0.0.0.0:1"), (listen_address{kind::tcp, "", "0.0.0.0", 1}));
  EXPECT_EQ(at("[::1]:2"), (listen_address{kind::tcp, "", "::1", 2}));
  for (const char* text : {"", "host", ":1", "[::1]", "h:x", "70000"}) {
    EXPECT_NE(error_of_words({"--metrics", text}), "") << text;
  }
  EXPECT_EQ(format_metrics_address(at("[::1]:2")), "[::1]:2");
}

TEST(Told, NeedsSomewhereToTellIt) {
  EXPECT_TRUE(names(refusal({"--end=told"}), {"--end told", "--control"}));
}

TEST(Told, AllowsGapsUnlessToldOtherwiseAndWarnsOfNothing) {
  auto config = parse({"--end=told", "--control=c", "--size=1M"}).config;
  EXPECT_EQ(complete_and_validate(config), std::vector<std::string>());
  EXPECT_EQ(effective_gaps(config.exports[0], config.server), gaps_policy::allow);
}

TEST(Receipt, ComesWithADigest) {
  const auto digest = [](const std::vector<std::string>& words) {
    return effective_digest(parse(words).config.exports.at(0));
  };
  EXPECT_EQ(digest({"--size=1"}), std::nullopt);
  EXPECT_EQ(digest({"--receipt=r"}), digest_algorithm::sha256);
  EXPECT_EQ(digest({"--receipt=r", "--digest=xxh3"}), digest_algorithm::xxh3);
  EXPECT_EQ(digest({"--digest=blake2b"}), digest_algorithm::blake2b);
}

TEST(Receipt, IsOfOneExportAlone) {
  configuration config;
  config.exports.resize(2);
  config.exports[1].name = "b";
  for (auto& e : config.exports) e.receipt = "same";
  EXPECT_TRUE(names(error_of([&] { static_cast<void>(complete_and_validate(config)); }),
                    {"--receipt \"same\""}));
}

}  // namespace
}  // namespace nbdstream::config
