// SPDX-License-Identifier: BSD-3-Clause
#include "config/cli.hpp"

#include "config/command_options.hpp"
#include "config/keys.hpp"
#include "unit/config/config_support.hpp"

#include <functional>
#include <set>

namespace nbdstream::config {
namespace {

using action = command::action;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const export_config& only_export(const command& c) {
  EXPECT_EQ(c.config.exports.size(), 1U);
  return c.config.exports.at(0);
}

TEST(CommandLine, OfNothingServesTheDefaults) {
  const command c = parse({});
  EXPECT_EQ(c.what, action::serve);
  EXPECT_EQ(c.config.server, server_config());
}

TEST(CommandLine, SetsEveryOptionOfAnExport) {
  const command c = parse({"--size",
                           "40G",
                           "--order",
                           "spill",
                           "--window",
                           "1G",
                           "--stall",
                           "500ms",
                           "--spill-directory",
                           "/big",
                           "--spill-limit",
                           "2T",
                           "--gaps",
                           "refuse",
                           "--no-pad",
                           "--streams",
                           "0",
                           "--settle",
                           "500ms",
                           "-e",
                           "vm1",
                           "--description",
                           "the disk",
                           "--sink",
                           "socket:tcp://host:9000",
                           "-o",
                           "a=1",
                           "--option",
                           "b=x=y"});
  export_config e;
  e.size = 40ULL << 30;
  e.order = order_mode::spill;
  e.window = 1ULL << 30;
  e.stall = milliseconds(500);
  e.spill_directory = "/big";
  e.spill_limit = 2ULL << 40;
  e.gaps = gaps_policy::refuse;
  e.pad = false;
  e.streams = 0;
  e.settle = milliseconds(500);
  e.name = "vm1";
  e.description = "the disk";
  e.sink.module = "socket";
  e.sink.argument = "tcp://host:9000";
  e.sink.settings = {{"a", "1", ""}, {"b", "x=y", ""}};
  EXPECT_EQ(only_export(c), e);
  EXPECT_EQ(only_export(parse({"--max-stream=1T"})).max_stream, 1ULL << 40);
}

TEST(CommandLine, TakesEveryOrder) {
  const auto order = [](const char* word) { return only_export(parse({"--order", word})).order; };
  EXPECT_EQ(order("auto"), order_mode::automatic);
  EXPECT_EQ(order("strict"), order_mode::strict);
  EXPECT_EQ(order("window"), order_mode::window);
  EXPECT_EQ(order("spill"), order_mode::spill);
  EXPECT_EQ(order("spool"), order_mode::spool);
}

TEST(CommandLine, SetsEveryOptionOfTheServer) {
  const command c = parse({"--run",
                           "true; exit 3",
                           "--run-grace=2",
                           "--grace",
                           "1m",
                           "--handshake-timeout",
                           "1",
                           "--payload-timeout",
                           "90s",
                           "--client-timeout",
                           "10m",
                           "--run-shell",
                           "/bin/bash",
                           "--data-path",
                           "copy",
                           "--pidfile",
                           "/run/pid",
                           "--exit-with-parent",
                           "--progress=5",
                           "--log-level",
                           "warning",
                           "--log-format",
                           "json",
                           "-f",
                           "--tls",
                           "require",
                           "--tls-certificates",
                           "/certs",
                           "--tls-psk",
                           "/keys",
                           "--tls-verify-peer"});
  server_config s;
  s.run = "true; exit 3";
  s.run_grace = seconds(2);
  s.grace = minutes(1);
  s.handshake_timeout = seconds(1);
  s.payload_timeout = seconds(90);
  s.client_timeout = minutes(10);
  s.run_shell = "/bin/bash";
  s.path = data_path::copy;
  s.pidfile = "/run/pid";
  s.exit_with_parent = true;
  s.progress_fd = 5;
  s.log_level = log::level::warning;
  s.log_format = log::format::json;
  s.tls = tls_mode::require;
  s.tls_certificates = "/certs";
  s.tls_psk = "/keys";
  s.tls_verify_peer = true;
  EXPECT_EQ(c.config.server, s);
}

TEST(CommandLine, HasShortFormsAsNbdkitHas) {
  const command c = parse({"-fv", "-s", "-P", "pid", "-ename", "-okey=value"});
  EXPECT_TRUE(c.config.server.single);
  EXPECT_EQ(c.config.server.pidfile, "pid");
  EXPECT_EQ(c.config.server.log_level, log::level::debug);
  EXPECT_EQ(only_export(c).name, "name");
  EXPECT_EQ(only_export(c).sink.settings, (std::vector<sink_setting>{{"key", "value", ""}}));
  EXPECT_EQ(parse({"-h"}).what, action::help);
  EXPECT_EQ(parse({"-V"}).what, action::version);
}

TEST(CommandLine, CollectsAddresses) {
  const auto one = [](std::vector<std::string> words) {
    const auto listen = parse(words).config.server.listen;
    EXPECT_EQ(listen.size(), 1U);
    return listen.at(0);
  };
  EXPECT_EQ(one({"-U", "/run/nbd.sock"}),
            (listen_address{kind::unix_path, "/run/nbd.sock", "", 10809}));
  EXPECT_EQ(one({"-U", "-"}), listen_address());
  EXPECT_EQ(one({"--unix=-"}), listen_address());
  EXPECT_EQ(one({"-U", "@nbd"}), (listen_address{kind::abstract_unix, "nbd", "", 10809}));
  EXPECT_EQ(one({"-p", "1"}), (listen_address{kind::tcp, "", "127.0.0.1", 1}));
  EXPECT_EQ(one({"-p0"}), (listen_address{kind::tcp, "", "127.0.0.1", 0}));
  EXPECT_EQ(one({"-i", "::1"}), (listen_address{kind::tcp, "", "::1", 10809}));
  EXPECT_EQ(one({"-i", "[::1]", "-p", "7"}), (listen_address{kind::tcp, "", "::1", 7}));
  EXPECT_EQ(one({"--vsock", "5"}), (listen_address{kind::vsock, "", "", 5}));
  EXPECT_EQ(parse({"-U", "a", "-p", "1", "--vsock", "2"}).config.server.listen.size(), 3U);
}

TEST(CommandLine, TakesThePermissionsOfItsSocket) {
  EXPECT_EQ(parse({"-U", "a"}).config.server.unix_mode, std::nullopt);
  EXPECT_EQ(parse({"-U", "a", "--unix-mode", "0660"}).config.server.unix_mode, 0660U);
  EXPECT_TRUE(names(error_of_words({"-U", "a", "--unix-mode", "rw"}), {"--unix-mode", "\"rw\""}));
}

TEST(CommandLine, TakesTheValueOfProgressOnlyBehindAnEqualsSign) {
  EXPECT_TRUE(parse({"--progress"}).config.server.progress);
  EXPECT_TRUE(parse({"--progress", "size=1"}).config.server.progress);
  EXPECT_EQ(parse({"--progress=7"}).config.server.progress_fd, 7);
  EXPECT_TRUE(names(error_of_words({"--progress", "7"}), {"\"7\""}));
}

TEST(CommandLine, UnderstandsNbdkitsWordsInAnyPosition) {
  const command old = parse({"-U", "/tmp/nbd.sock", "pipe=output", "size=640k", "--run", "x"});
  const command same = parse({"write=output", "-U", "/tmp/nbd.sock", "--run", "x", "--size=640k"});
  const command ours =
      parse({"--sink", "fifo:output", "--size", "640K", "-U", "/tmp/nbd.sock", "--run", "x"});
  EXPECT_EQ(old.config, ours.config);
  EXPECT_EQ(same.config, ours.config);
  EXPECT_EQ(only_export(parse({"pipe=a:b"})).sink.argument, "a:b");
}

TEST(CommandLine, TakesASinkByNameOrByPath) {
  const auto sink = [](const char* text) { return only_export(parse({"--sink", text})).sink; };
  EXPECT_EQ(sink("stdout").module, "stdout");
  EXPECT_EQ(sink("stdout").argument, std::nullopt);
  EXPECT_EQ(sink("fifo:").argument, std::nullopt);
  EXPECT_EQ(sink("./own.so:a:b").module, "./own.so");
  EXPECT_EQ(sink("./own.so:a:b").argument, "a:b");
  EXPECT_EQ(sink("socket:unix:///run/x").argument, "unix:///run/x");
  EXPECT_EQ(sink("s3://bucket/a/key").module, "s3");
  EXPECT_EQ(sink("s3://bucket/a/key").argument, "//bucket/a/key");
}

TEST(CommandLine, NamesOneThingToPrint) {
  EXPECT_EQ(parse({"--list-sinks"}).what, action::list_sinks);
  EXPECT_EQ(parse({"--dump-config"}).what, action::dump_config);
  const command c = parse({"--dump-sink", "fifo"});
  EXPECT_EQ(c.what, action::dump_sink);
  EXPECT_EQ(c.sink, "fifo");
  const command checked = parse({"--check-sink", "./own.so:a:b", "-o", "key=value"});
  EXPECT_EQ(checked.what, action::check_sink);
  EXPECT_EQ(only_export(checked).sink.module, "./own.so");
  EXPECT_EQ(only_export(checked).sink.argument, "a:b");
  EXPECT_EQ(only_export(checked).sink.settings.size(), 1U);
  EXPECT_TRUE(names(error_of_words({"--check-sink", "fifo:x", "--sink", "fifo:y"}), {"--sink"}));
  EXPECT_EQ(parse({"--help", "--size", "nonsense", "--config", "/none"}).what, action::help);
  EXPECT_TRUE(names(error_of_words({"--list-sinks", "--dump-config"}), {"--dump-config"}));
}

TEST(CommandLine, WinsOverTheFile) {
  const temporary_file file(
      "[server]\nlisten = \"unix:/a\"\nlog-level = \"error\"\nrun = \"old\"\n"
      "[[export]]\nname = \"x\"\nsize = 1\n[export.sink]\npath = \"p\"\nkeep = 1\n");
  const command c = parse(
      {"--size", "2", "-U", "/b", "--config", file.path(), "--log-level", "info", "-o", "path=q"});
  EXPECT_EQ(c.config.server.listen.at(0).path, "/b");
  EXPECT_EQ(c.config.server.listen.size(), 1U);
  EXPECT_EQ(c.config.server.log_level, log::level::info);
  EXPECT_EQ(c.config.server.run, "old");
  EXPECT_EQ(only_export(c).size, 2U);
  EXPECT_EQ(only_export(c).name, "x");
  EXPECT_EQ(only_export(c).sink.settings,
            (std::vector<sink_setting>{{"keep", "1", ""}, {"path", "q", ""}}));
  const command other = parse({"--config", file.path(), "--sink", "stdout", "--single"});
  EXPECT_TRUE(only_export(other).sink.settings.empty());
  EXPECT_TRUE(other.config.server.listen.empty());
}

TEST(CommandLine, CannotSayWhichOfSeveralExportsIsMeant) {
  const temporary_file file("[[export]]\nname = \"vm1\"\n[[export]]\nname = \"vm2\"\n");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--size", "1"},
                                                {"--sink", "fifo:x"},
                                                {"--option", "a=b"},
                                                {"pipe=x"},
                                                {"--no-pad"},
                                                {"-e", "vm1"}}) {
    std::vector<std::string> all{"--config", file.path()};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_TRUE(names(error_of_words(all), {file.path(), "2 exports", "\"vm1\"", "\"vm2\""}));
  }
  EXPECT_EQ(parse({"--config", file.path(), "-v"}).config.exports.size(), 2U);
}

TEST(CommandLine, KnowsEveryKeyOfTheFile) {
  std::set<std::string_view> reachable{"listen"};  // --unix, --port, --ipaddr, --vsock
  for (const auto& option : command_options()) reachable.insert(option.key);
  for (const auto& k : server_keys()) EXPECT_TRUE(reachable.contains(k.name)) << k.name;
  for (const auto& k : export_keys()) EXPECT_TRUE(reachable.contains(k.name)) << k.name;
}

TEST(CommandLine, HasNoOptionWithoutATarget) {
  std::set<std::string_view> option_names;
  std::set<char> letters;
  for (const auto& option : command_options()) {
    EXPECT_TRUE(option_names.insert(option.name).second) << option.name;
    EXPECT_TRUE(option.letter == 0 || letters.insert(option.letter).second) << option.name;
    const bool server = option.target == option_target::server;
    const bool exported = option.target == option_target::exported;
    EXPECT_EQ(server, find_key(server_keys(), option.key) != nullptr) << option.name;
    EXPECT_EQ(exported, find_key(export_keys(), option.key) != nullptr) << option.name;
    EXPECT_EQ(!server && !exported, option.apply != nullptr) << option.name;
    EXPECT_TRUE(!option.value.empty() || !option.implied.empty()) << option.name;
  }
}

}  // namespace
}  // namespace nbdstream::config
