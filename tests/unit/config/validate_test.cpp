// SPDX-License-Identifier: BSD-3-Clause
#include "config/validate.hpp"

#include "unit/config/config_support.hpp"

#include <functional>

namespace nbdstream::config {
namespace {

std::string refusal_after(const std::function<void(configuration&)>& change) {
  configuration config;
  config.exports.emplace_back();
  change(config);
  return error_of([&] { static_cast<void>(complete_and_validate(config)); });
}

TEST(Validate, ListensOnLoopbackUnlessToldOtherwise) {
  configuration config;
  complete({}, config);
  ASSERT_EQ(config.server.listen.size(), 1U);
  EXPECT_EQ(config.server.listen[0], (listen_address{kind::tcp, "", "127.0.0.1", 10809}));
  EXPECT_EQ(config.exports, std::vector<export_config>(1));
}

TEST(Validate, ListensOnAPrivateSocketWithRun) {
  configuration config;
  complete({"--run", "true"}, config);
  ASSERT_EQ(config.server.listen.size(), 1U);
  EXPECT_EQ(config.server.listen[0], listen_address());
  complete({"--run", "true", "-p", "0"}, config);
  EXPECT_EQ(config.server.listen.at(0).what, kind::tcp);
}

TEST(Validate, NeedsNoAddressWithSingleOrSocketActivation) {
  configuration config;
  complete({"--single"}, config);
  EXPECT_TRUE(config.server.listen.empty());
  configuration activated;
  static_cast<void>(complete_and_validate(activated, true));
  EXPECT_TRUE(activated.server.listen.empty());
}

TEST(Validate, RefusesPermissionsWhereThereIsNoSocketOfOurs) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"-p", "0"}, {"-U", "-"}, {"-U", "@a"}, {"--run", "x"}}) {
    auto more = words;
    more.insert(more.end(), {"--unix-mode", "0660"});
    EXPECT_TRUE(names(refusal(more), {"--unix-mode", "--unix PATH"}));
  }
  configuration config;
  complete({"-U", "a", "-p", "0", "--unix-mode", "0660"}, config);
  EXPECT_EQ(config.server.unix_mode, 0660U);
}

TEST(Validate, RefusesACommandThatCouldNotConnect) {
  EXPECT_TRUE(names(refusal({"-U", "@a", "--run", "x"}), {"--run", "unix:@a", "--unix -"}));
  configuration config;
  complete({"-U", "@a", "-p", "0", "--run", "x"}, config);
  EXPECT_EQ(config.server.listen.size(), 2U);
}

TEST(Validate, RefusesAnAbstractNameThatIsTooLong) {
  configuration config;
  complete({"-U", "@" + std::string(107, 'a')}, config);
  EXPECT_EQ(config.server.listen.at(0).path.size(), 107U);
  EXPECT_TRUE(names(refusal({"-U", "@" + std::string(108, 'a')}), {"at most 107", "has 108"}));
}

TEST(Validate, RefusesWhatExcludesEachOther) {
  EXPECT_TRUE(names(refusal({"--single", "-U", "x"}), {"--single", "\"unix:x\""}));
  EXPECT_TRUE(names(refusal({"--single", "--run", "x"}), {"--single", "--run"}));
  EXPECT_TRUE(names(refusal({"--single", "--progress=1"}), {"--progress", "descriptor 1"}));
  EXPECT_TRUE(names(refusal({"--run", "x", "--streams", "2"}), {"--run", "--streams 2"}));
  EXPECT_TRUE(names(refusal({"--run", "x", "--streams", "0", "-e", "vm"}), {"\"vm\"", "--run"}));
  EXPECT_TRUE(names(refusal({"--size", "1", "--max-stream", "1"}), {"--max-stream", "--size"}));
  configuration config = parse({"--single"}).config;
  EXPECT_TRUE(names(error_of([&] { static_cast<void>(complete_and_validate(config, true)); }),
                    {"LISTEN_FDS"}));
}

TEST(Validate, RefusesSizesThatNoClientOpens) {
  EXPECT_NO_THROW(complete({"--size", "8589934591G"}));
  EXPECT_TRUE(names(refusal({"--size", "9223372035781033985"}), {"9223372035781033985", "QEMU"}));
  EXPECT_TRUE(names(refusal({"--max-stream", "0"}), {"--max-stream 0"}));
  EXPECT_TRUE(names(refusal({"--max-stream", "9223372036854775807"}), {"--max-stream"}));
}

TEST(Validate, RefusesAStreamOfNothingThatOnlyACommandCouldEnd) {
  EXPECT_NO_THROW(complete({"--size", "0", "--run", "true"}));
  for (const char* const streams : {"0", "1", "2"}) {
    EXPECT_TRUE(names(refusal({"--size", "0", "-e", "vm", "--streams", streams}),
                      {"export \"vm\": --size 0", "--run"}));
  }
}

TEST(Validate, LooksForTheShellWhereThereIsACommandForIt) {
  EXPECT_NO_THROW(complete({"--run", "true", "--run-shell", "/bin/bash"}));
  EXPECT_NO_THROW(complete({"--run-shell", "/nonexistent"}));
  const temporary_file file("");
  for (const auto& [shell, why] :
       {std::pair<std::string, std::string_view>("/nonexistent", "No such file"),
        {"bash", "No such file"},
        {"/tmp", "Permission denied"},
        {file.path(), "Permission denied"}}) {
    EXPECT_TRUE(names(refusal({"--run", "true", "--run-shell", shell}),
                      {"--run-shell \"" + shell + "\": ", why, "/bin/bash"}));
  }
}

TEST(Validate, RefusesTimesOfNothingWhereSomethingMustHappen) {
  EXPECT_NO_THROW(complete({"--settle", "0", "--run-grace", "0"}));
  EXPECT_TRUE(names(refusal({"--grace", "0"}), {"--grace"}));
  EXPECT_TRUE(names(refusal({"--payload-timeout", "0"}), {"--payload-timeout"}));
  EXPECT_TRUE(names(refusal({"--handshake-timeout", "0"}), {"--handshake-timeout"}));
  EXPECT_TRUE(names(refusal({"--client-timeout", "0"}), {"--client-timeout"}));
}

TEST(Validate, RefusesStringsThatNbdCannotCarry) {
  EXPECT_NO_THROW(complete({"-e", std::string(4096, 'x')}));
  EXPECT_TRUE(
      names(refusal({"-e", std::string(4097, 'x')}), {"export name", "4097 bytes", "4096"}));
  EXPECT_TRUE(names(refusal({"-e", "a\xff"}), {"export name", "UTF-8"}));
  EXPECT_TRUE(names(refusal({"--description", "\xc0\x80"}), {"description", "UTF-8"}));
  EXPECT_TRUE(
      names(refusal_after([](auto& c) { c.exports[0].name = std::string("a\0b", 3); }), {"NUL"}));
}

TEST(Validate, RefusesTwoExportsOfOneName) {
  EXPECT_TRUE(names(refusal_after([](auto& c) { c.exports.push_back(c.exports[0]); }),
                    {"two exports \"\""}));
}

TEST(Validate, RefusesAnAddressThatCannotBeBound) {
  EXPECT_NO_THROW(complete({"-U", std::string(107, 'x')}));
  EXPECT_TRUE(names(refusal({"-U", std::string(108, 'x')}), {"108", "107 bytes"}));
  const auto twice = [](const char* text) {
    return [text](configuration& c) {
      const temporary_file file(std::string("[server]\nlisten = [\"") + text + "\",\"" + text +
                                "\"]");
      c = parse({"--config", file.path()}).config;
    };
  };
  for (const auto text : {"unix:/a", "unix:-", "tcp:127.0.0.1:10809", "vsock:7"}) {
    EXPECT_TRUE(names(refusal_after(twice(text)), {text, "given twice"}));
  }
  configuration config;
  twice("tcp:127.0.0.1:0")(config);
  EXPECT_NO_THROW(static_cast<void>(complete_and_validate(config)));
}

TEST(Validate, TurnsTlsOnWhereThereIsSomethingToDoItWith) {
  const auto mode = [](const std::vector<std::string>& words) {
    return effective_tls(parse(words).config.server);
  };
  EXPECT_EQ(mode({}), tls_mode::off);
  EXPECT_EQ(mode({"--tls-certificates", "d"}), tls_mode::on);
  EXPECT_EQ(mode({"--tls-psk", "f"}), tls_mode::on);
  EXPECT_EQ(mode({"--tls-psk", "f", "--tls", "off"}), tls_mode::off);
  EXPECT_EQ(mode({"--tls", "require"}), tls_mode::require);
}

TEST(Validate, RefusesToVerifyWhereNobodyIsAsked) {
  EXPECT_TRUE(names(refusal({"--tls-verify-peer"}), {"--tls-verify-peer", "--tls require"}));
  EXPECT_TRUE(names(refusal({"--tls-verify-peer", "--tls=off", "--tls-certificates", "d"}),
                    {"--tls-verify-peer"}));
  EXPECT_TRUE(names(refusal({"--tls-verify-peer", "--tls-psk", "f"}), {"--tls-psk"}));
}

TEST(Validate, RefusesToCompressMoreThanASeekTableLists) {
  EXPECT_TRUE(complete({"--compress=zstd", "--size=512T"}).empty());
  EXPECT_TRUE(names(refusal({"--compress=zstd", "--size=513T"}), {"--compress", "512T", "--size"}));
  EXPECT_TRUE(complete({"--compress=zstd", "--size=513T", "--format=rbd-diff"}).empty());
}

TEST(Validate, WarnsWhereVerifyingCanBeAvoided) {
  const std::vector<std::string> words = {"--run", "x", "--tls-verify-peer", "--tls-certificates",
                                          "d"};
  const auto warned = complete(words);
  ASSERT_EQ(warned.size(), 1U);
  EXPECT_TRUE(names(warned[0], {"--tls on", "--tls-verify-peer", "--tls require"}));
  auto required = words;
  required.insert(required.end(), {"--tls", "require"});
  EXPECT_TRUE(complete(required).empty());
}

TEST(Validate, WarnsWhereOnlyTheGoodbyeTellsTheEnd) {
  EXPECT_TRUE(complete({"--size", "1G"}).empty());
  EXPECT_TRUE(complete({"--run", "x"}).empty());
  EXPECT_TRUE(complete({"--run", "x", "--size", "1G", "--gaps", "allow"}).empty());
  const auto none = complete({"-e", "vm"});
  ASSERT_EQ(none.size(), 1U);
  EXPECT_TRUE(names(none[0], {"\"vm\"", "--size", "--run", "NBD_CMD_DISC"}));
  EXPECT_EQ(complete({"--gaps", "refuse"}).size(), 1U);
  const auto gaps = complete({"--size", "1G", "--gaps", "allow"});
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_TRUE(names(gaps[0], {"--gaps allow", "NBD_CMD_DISC"}));
}

}  // namespace
}  // namespace nbdstream::config
