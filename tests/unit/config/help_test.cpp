// SPDX-License-Identifier: BSD-3-Clause
#include "config/command_options.hpp"
#include "unit/config/config_support.hpp"

#include <sstream>

namespace nbdstream::config {
namespace {

TEST(Help, NamesEveryOption) {
  const std::string text = help_text();
  for (const auto& option : command_options()) {
    EXPECT_TRUE(names(text, {"--" + std::string(option.name)}));
    if (option.letter != 0) {
      EXPECT_TRUE(names(text, {std::string("  -") + option.letter + ", --"}));
    }
  }
  EXPECT_TRUE(names(text, {"--progress[=FD] ", "Usage:", "Exit status:", "Examples:"}));
}

TEST(Help, FitsAHundredColumns) {
  std::istringstream text(help_text());
  for (std::string line; std::getline(text, line);) {
    EXPECT_LE(line.size(), 100U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(Help, SaysWhatTlsNeedsAndWhereItLooks) {
  const auto help = [](std::string_view name) { return std::string(find_option(name)->help); };
  EXPECT_TRUE(names(help("tls"), {"require", "Default: on with", "nbdkit-tls(1)"}));
  EXPECT_TRUE(names(help("tls-certificates"),
                    {"ca-cert.pem", "server-cert.pem", "server-key.pem", "~/.pki/nbdkit"}));
  EXPECT_TRUE(names(help("tls-psk"), {"USER:HEXKEY"}));
  EXPECT_TRUE(names(help("tls-verify-peer"), {"--tls require"}));
}

TEST(Help, SaysWhatEachOrderIsAndTheDefaults) {
  const auto help = [](std::string_view name) { return std::string(find_option(name)->help); };
  EXPECT_TRUE(names(help("order"),
                    {"strict: ", "window: ", "spill: ", "spool: ", "auto, the default, is spill"}));
  EXPECT_TRUE(names(help("window"), {"64M"}));
  EXPECT_TRUE(names(help("stall"), {"2s"}));
  EXPECT_TRUE(names(help("spill-directory"), {"$TMPDIR", "/var/tmp"}));
  EXPECT_TRUE(names(help("spill-limit"), {"disk"}));
}

TEST(Version, IsOneLine) {
  EXPECT_TRUE(version_text().starts_with("nbdstream "));
  EXPECT_EQ(version_text().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace nbdstream::config
