// SPDX-License-Identifier: BSD-3-Clause
//
// What --version tells: for people who report a fault, and for scripts.
#include "support/integration_test.hpp"

#include <regex>

namespace nbdstream::test {
namespace {

class Version : public integration_test {
 protected:
  [[nodiscard]] std::string printed(const arguments& args) const {
    const result ended = nbdstream(args);
    EXPECT_TRUE(ended_with(0, ended));
    return ended.out;
  }

  /// The value of a line that begins with `key`.
  [[nodiscard]] static std::string value_of(const std::string& key, const std::string& text) {
    const auto begin = text.find('\n' + key) + 1 + key.size();
    EXPECT_NE(text.find('\n' + key), text.npos) << key;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
};

TEST_F(Version, IsTheFirstLineAlone) {
  const auto text = printed({"--version"});
  EXPECT_TRUE(
      std::regex_match(text.substr(0, text.find('\n')), std::regex(R"(nbdstream \d+\.\d+\.\d+)")))
      << text;
}

TEST_F(Version, TellsTheAbiOfSinksAsTheSinksDo) {
  EXPECT_EQ(value_of("sink ABI: ", printed({"--version"})),
            value_of("abi=", printed({"--dump-sink", "fifo"})));
}

TEST_F(Version, TellsWhatIsBuiltInAndTheSinksThatAreFound) {
  const auto text = printed({"--version"});
  EXPECT_TRUE(mentions(value_of("features: ", text), "TLS (OpenSSL 3."));
  EXPECT_TRUE(mentions(value_of("features: ", text), "compression (zstd 1."));
  EXPECT_EQ(value_of("sinks: ", text), "exec fifo file null s3 socket stdout");
}

TEST_F(Version, TellsOfASinkOfAnotherDirectory) {
  const result ended =
      nbdstream({"--version"}, {.environment = {"NBDSTREAM_SINK_PATH=" + test_modules}});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(value_of("sinks: ", ended.out), " recorder "));
}

}  // namespace
}  // namespace nbdstream::test
