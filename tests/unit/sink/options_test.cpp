// SPDX-License-Identifier: BSD-3-Clause
#include "sink/options.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <utility>

namespace nbdstream::sink {
namespace {

using config::sink_config;

constexpr std::array<nbdstream_option, 6> declared{
    {{"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
      nullptr, "where to"},
     {"reader-timeout", NBDSTREAM_OPTION_DURATION, 0, nullptr, "how long"},
     {"buffer", NBDSTREAM_OPTION_SIZE, 0, "64k", "how much"},
     {"level", NBDSTREAM_OPTION_INTEGER, 0, "-3", "how well"},
     {"append", NBDSTREAM_OPTION_BOOLEAN, 0, "no", "whether"},
     {"pin", NBDSTREAM_OPTION_INTEGER, NBDSTREAM_OPTION_SECRET, nullptr, "a secret"}}};

sink_config given(std::optional<std::string> argument,
                  std::vector<config::sink_setting> list = {}) {
  sink_config sink;
  sink.argument = std::move(argument);
  sink.settings = std::move(list);
  return sink;
}

std::string error_of(const sink_config& sink, option_list options = declared) {
  try {
    static_cast<void>(settings("fifo", options, sink));
  } catch (const config::error& e) {
    const std::string message = e.what();
    EXPECT_EQ(message.find('\n'), message.npos);
    return message;
  }
  return "nothing was refused";
}

TEST(Options, FillInDefaultsAndNumbers) {
  settings first("fifo", declared,
                 given("out", {{"reader-timeout", "2s", ""}, {"append", "YES", ""}}));
  const settings values = std::move(first);
  ASSERT_NE(values.find("path"), nullptr);
  EXPECT_STREQ(values.find("path")->text, "out");
  EXPECT_EQ(values.find("path")->struct_size, sizeof(nbdstream_setting));
  EXPECT_EQ(values.find("reader-timeout")->number, 2'000'000'000);
  EXPECT_EQ(values.find("buffer")->number, 65536);
  EXPECT_STREQ(values.find("buffer")->text, "64k");
  EXPECT_EQ(values.find("level")->number, -3);
  EXPECT_EQ(values.find("append")->number, 1);
  EXPECT_STREQ(values.find("append")->text, "YES");
  EXPECT_EQ(values.find("pin"), nullptr);
  EXPECT_EQ(values.find("unheard-of"), nullptr);
}

TEST(Options, TakeThePositionalOneUnderItsNameToo) {
  const settings values("fifo", declared, given(std::nullopt, {{"path", "p", ""}}));
  EXPECT_STREQ(values.find("path")->text, "p");
}

TEST(Options, SayHowToGiveOneThatIsMissing) {
  EXPECT_EQ(error_of(given(std::nullopt)), "the fifo sink needs path: --sink fifo:PATH");
  sink_config file = given(std::nullopt);
  file.where = "f.toml:7:1";
  EXPECT_EQ(error_of(file),
            "f.toml:7:1: the fifo sink needs path: write path = ... under [export.sink]");
  constexpr std::array<nbdstream_option, 1> url{
      {{"url", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED, nullptr, "where to"}}};
  EXPECT_EQ(error_of(given(std::nullopt), url), "the fifo sink needs url: --option url=URL");
}

TEST(Options, RefuseAnUnknownKeyWithTheNearestName) {
  EXPECT_EQ(error_of(given("x", {{"bufer", "1", "f.toml:3:7"}})),
            "f.toml:3:7: the fifo sink has no setting \"bufer\"; did you mean \"buffer\"?");
  EXPECT_EQ(error_of(given("x", {{"colour", "1", "--option"}})),
            "--option: the fifo sink has no setting \"colour\"; nbdstream --dump-sink fifo lists "
            "what it knows");
}

TEST(Options, RefuseAValueOfAnotherType) {
  EXPECT_EQ(error_of(given("x", {{"level", "high", "--option"}})),
            "--option: level: \"high\" is not a whole number");
  for (const auto key : {"reader-timeout", "buffer", "level", "append"}) {
    EXPECT_TRUE(
        error_of(given("x", {{key, "odd", "f:1:2"}})).starts_with(std::string("f:1:2: ") + key));
  }
}

constexpr std::array<nbdstream_option, 3> modes{
    {{"mode", NBDSTREAM_OPTION_MODE, 0, "0644", "permissions"},
     {"text", NBDSTREAM_OPTION_STRING, 0, nullptr, "anything"},
     {"secret", NBDSTREAM_OPTION_MODE, NBDSTREAM_OPTION_SECRET, nullptr, "hidden"}}};

TEST(Options, TakeAModeAsOctalDigits) {
  EXPECT_EQ(settings("m", modes, given({})).find("mode")->number, 0644);
  for (const char* text : {"0640", "640"}) {
    EXPECT_EQ(settings("m", modes, given({}, {{"mode", text, "--option"}})).find("mode")->number,
              0640);
  }
  EXPECT_EQ(error_of(given({}, {{"mode", "0o640", "--option"}}), modes),
            "--option: mode: \"0o640\" is not a mode; write octal digits, as in 0660");
}

TEST(Options, RefuseANumberWhereOnlyAStringIsClear) {
  const auto refused = [](const char* key, const char* value, const char* number) {
    return error_of(given({}, {{key, value, "f:1:2", number}}), modes);
  };
  const std::string unclear = "a number is not clear here; write it in quotes";
  EXPECT_EQ(refused("mode", "416", "0o640"), "f:1:2: mode: " + unclear + ", as in \"0640\"");
  EXPECT_EQ(refused("mode", "640", "640"), "f:1:2: mode: " + unclear + ", as in \"0640\"");
  EXPECT_EQ(refused("text", "416", "0o640"), "f:1:2: text: " + unclear + ", as in \"0640\"");
  EXPECT_EQ(refused("text", "31", "0x1f"), "f:1:2: text: " + unclear + ", as in \"0x1f\"");
  EXPECT_EQ(refused("secret", "416", "0o640"), "f:1:2: secret: " + unclear);
  EXPECT_EQ(refused("text", "31", "31"), "nothing was refused");
}

TEST(Options, NameThePathsThatOneExportMayHave) {
  constexpr std::array<nbdstream_option, 2> two{
      {{"path", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_EXCLUSIVE_PATH, nullptr, "where to"},
       {"other", NBDSTREAM_OPTION_STRING, 0, nullptr, "a word"}}};
  ASSERT_EQ(exclusive_paths(two).size(), 1U);
  EXPECT_EQ(exclusive_paths(two)[0], two.data());
}

TEST(Options, DoNotRepeatASecret) {
  EXPECT_EQ(error_of(given("x", {{"pin", "hidden", "--option"}})),
            "--option: pin: the value is not a whole number");
  EXPECT_TRUE(is_secret(declared, "pin"));
  EXPECT_FALSE(is_secret(declared, "argument"));
  EXPECT_FALSE(is_secret(declared, "unheard-of"));
}

TEST(Options, RefuseWhatIsGivenTwice) {
  EXPECT_EQ(error_of(given("x", {{"path", "y", "f:1:2"}})),
            "f:1:2: path is given twice; give it once, as the sink's argument or as a setting");
  EXPECT_EQ(error_of(given("x", {{"level", "1", "a"}, {"level", "1", "b"}})),
            "b: level is given twice; give it once");
}

TEST(Options, RefuseAnArgumentWhereThereIsNone) {
  EXPECT_EQ(error_of(given("x"), {}),
            "--sink: the fifo sink takes no argument, but \"x\" is given");
  EXPECT_EQ(error_of(given(std::nullopt), {}), "nothing was refused");
}

TEST(OptionList, OfAModuleIsCheckedToo) {
  EXPECT_EQ(fault_of(declared), "");
  EXPECT_EQ(fault_of(option_list()), "");
  const auto fault = [](std::initializer_list<nbdstream_option> options) {
    return fault_of(option_list(options.begin(), options.size()));
  };
  constexpr std::uint32_t positional = NBDSTREAM_OPTION_POSITIONAL;
  EXPECT_NE(fault({{nullptr, 1, 0, nullptr, ""}}), "");
  EXPECT_NE(fault({{"", 1, 0, nullptr, ""}}), "");
  EXPECT_NE(fault({{"a b", 1, 0, nullptr, ""}}), "");
  EXPECT_NE(fault({{"module", 1, 0, nullptr, ""}}), "");
  EXPECT_EQ(fault({{"a", 9, 0, nullptr, ""}}), "option \"a\" has the unknown type 9");
  EXPECT_EQ(fault({{"a", NBDSTREAM_OPTION_SIZE, NBDSTREAM_OPTION_EXCLUSIVE_PATH, nullptr, ""}}),
            "option \"a\" is a path, but no string");
  EXPECT_EQ(fault({{"a", 1, 0, nullptr, nullptr}}), "option \"a\" has no help");
  EXPECT_NE(fault({{"a", NBDSTREAM_OPTION_SIZE, 0, "big", ""}}).find("\"big\""), std::string::npos);
  EXPECT_EQ(fault({{"a", 1, 0, nullptr, ""}, {"a", 1, 0, nullptr, ""}}),
            "option \"a\" is declared twice");
  EXPECT_EQ(fault({{"a", 1, positional, nullptr, ""}, {"b", 1, positional, nullptr, ""}}),
            "option \"b\" is a second positional one");
}

}  // namespace
}  // namespace nbdstream::sink
