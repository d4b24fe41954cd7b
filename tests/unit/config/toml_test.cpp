// SPDX-License-Identifier: BSD-3-Clause
#include "config/toml.hpp"

#include "unit/config/config_support.hpp"

#include <utility>

namespace nbdstream::config {
namespace {

configuration read(std::string_view text) {
  configuration config;
  read_toml(text, "f.toml", config);
  return config;
}

std::string error_of_text(std::string_view text) {
  return error_of([&] { static_cast<void>(read(text)); });
}

TEST(Toml, SaysTheSameAsTheCommandLine) {
  const configuration file = read(R"(
[server]
listen = ["unix:/run/nbd.sock", "tcp:127.0.0.1:10900"]
run = 'echo "$uri"'
run-grace = 3
grace = "2m"
handshake-timeout = "500ms"
payload-timeout = 5
client-timeout = "1h"
run-shell = "/bin/bash"
pidfile = "/run/pid"
exit-with-parent = true
data-path = "copy"
log-level = "debug"
log-format = "json"
progress = 7
control = "/run/control"
control-mode = "0660"
metrics = 9110
metrics-file = "/run/metrics"
log = "journal"
tls = "require"
tls-certificates = "/certs"
tls-psk = "/keys"
tls-verify-peer = true
[[export]]
name = "vm1"
description = "a disk"
size = "40G"
order = "spool"
window = "1M"
stall = 5
spill-directory = "/big"
spill-limit = 4096
gaps = "allow"
pad = false
streams = 1
end = "told"
receipt = "/run/receipt"
digest = "blake2b"
compress = "zstd:9"
settle = "0.5s"
[export.sink]
module = "socket"
argument = "tcp://h:1"
zeta = "text"
alpha = 5
beta = true
)");
  const command line = parse({"-U",
                              "/run/nbd.sock",
                              "-p",
                              "10900",
                              "--run",
                              "echo \"$uri\"",
                              "--run-grace",
                              "3",
                              "--grace",
                              "2m",
                              "--handshake-timeout",
                              "500ms",
                              "--payload-timeout",
                              "5",
                              "--client-timeout",
                              "60m",
                              "--run-shell",
                              "/bin/bash",
                              "-P",
                              "/run/pid",
                              "--exit-with-parent",
                              "--data-path",
                              "copy",
                              "-v",
                              "--log-format",
                              "json",
                              "--progress=7",
                              "--control=/run/control",
                              "--control-mode=660",
                              "--metrics=127.0.0.1:9110",
                              "--metrics-file=/run/metrics",
                              "--log=journal",
                              "--tls=require",
                              "--tls-certificates=/certs",
                              "--tls-psk=/keys",
                              "--tls-verify-peer",
                              "-e",
                              "vm1",
                              "--description",
                              "a disk",
                              "--size",
                              "40G",
                              "--order",
                              "spool",
                              "--window",
                              "1M",
                              "--stall",
                              "5",
                              "--spill-directory",
                              "/big",
                              "--spill-limit",
                              "4k",
                              "--gaps",
                              "allow",
                              "--no-pad",
                              "--streams",
                              "1",
                              "--end=told",
                              "--receipt=/run/receipt",
                              "--digest=blake2b",
                              "--compress=zstd:9",
                              "--settle",
                              "0.5",
                              "--sink",
                              "socket:tcp://h:1",
                              "-o",
                              "zeta=text",
                              "-o",
                              "alpha=5",
                              "-o",
                              "beta=true"});
  EXPECT_EQ(file, line.config);
}

TEST(Toml, TakesOneAddressAsAString) {
  const auto listen = read("[server]\nlisten = \"unix:-\"").server.listen;
  ASSERT_EQ(listen.size(), 1U);
  EXPECT_EQ(listen[0], listen_address());
}

TEST(Toml, TakesPermissionsAsText) {
  EXPECT_EQ(read("[server]\nunix-mode = \"0606\"").server.unix_mode, 0606U);
  const auto said = error_of([] { read("[server]\nunix-mode = 660"); });
  EXPECT_TRUE(names(said, {":2:", "unix-mode must be a string, in quotes"}));
}

TEST(Toml, TakesSizesAsNumbersOrText) {
  EXPECT_EQ(read("[[export]]\nsize = 4096").exports.at(0).size, 4096U);
  EXPECT_EQ(read("[[export]]\nsize = \"4k\"").exports.at(0).size, 4096U);
  EXPECT_EQ(read("[[export]]\nmax-stream = \"1T\"").exports.at(0).max_stream, 1ULL << 40);
}

TEST(Toml, LeavesWhatItDoesNotName) {
  EXPECT_EQ(read(""), configuration());
  EXPECT_TRUE(read("[server]\nsingle = true").server.single);
  const auto config = read("[[export]]\nname = \"a\"\n[[export]]\nname = \"b\"\n");
  ASSERT_EQ(config.exports.size(), 2U);
  EXPECT_EQ(config.exports[1].sink, sink_config());
}

TEST(Toml, KeepsTheOrderAndThePlacesOfSettings) {
  const auto sink =
      read("[[export]]\n[export.sink]\nmodule = \"m\"\nz = 1.5\na = -3\n\"odd key\" = \"\"")
          .exports.at(0)
          .sink;
  EXPECT_EQ(sink.settings,
            (std::vector<sink_setting>{{"z", "1.5", ""}, {"a", "-3", ""}, {"odd key", "", ""}}));
  EXPECT_EQ(sink.settings.at(1).where, "f.toml:5:5");
  EXPECT_EQ(sink.where, "f.toml:2:1");
}

TEST(Toml, NamesThePlaceOfEveryFault) {
  const std::pair<std::string_view, std::vector<std::string_view>> table[] = {
      {"[server]\nlisteners = 1", {"f.toml:2:1: ", "unknown key \"listeners\" in [server]"}},
      {"[server]\ngrase = 1", {"f.toml:2:1: ", "in [server]; did you mean \"grace\"?"}},
      {"[[export]]\n  siz = 1", {"f.toml:2:3: ", "in [[export]]; did you mean \"size\"?"}},
      {"[sever]\n", {"f.toml:1:", "\"sever\"", "mean \"server\""}},
      {"size = 1", {"f.toml:1:1: ", "at the top; it belongs in [[export]]"}},
      {"[server]\nsize = 1", {"f.toml:2:1: ", "it belongs in [[export]]"}},
      {"[[export]]\nrun = 'x'", {"f.toml:2:1: ", "it belongs in [server]"}},
      {"[[export]]\nno-pad = true", {"f.toml:2:1: ", "\"no-pad\"", "pad = false"}},
      {"[server]\nunix = 'x'", {"f.toml:2:1: ", "listen = \"unix:PATH\""}},
      {"[server]\nrun = 5", {"f.toml:2:7: run must be a string"}},
      {"[server]\nsingle = 'yes'", {"f.toml:2:10: single must be true or false"}},
      {"[server]\nprogress = 'x'", {"f.toml:2:12: progress: ", "\"x\""}},
      {"[server]\ngrace = 0.5", {"f.toml:2:9: grace must be a time"}},
      {"[server]\ngrace = 'x'", {"f.toml:2:9: grace: \"x\" is not a time"}},
      {"[server]\nlisten = ['unix:-', 5]", {"f.toml:2:21: listen must be"}},
      {"[server]\nlisten = ['unix:-', 'x']", {"f.toml:2:21: listen: \"x\""}},
      {"[server]\nrun = \"a\\u0000b\"", {"f.toml:2:7: ", "NUL"}},
      {"[[export]]\nsize = -1", {"f.toml:2:8: size: \"-1\" is negative"}},
      {"[[export]]\nsize = [1]", {"f.toml:2:8: size must be a size"}},
      {"[[export]]\nstreams = 1.0", {"f.toml:2:11: streams must be a whole number"}},
      {"[[export]]\norder = 'spil'", {"f.toml:2:9: order: \"spil\"", "mean \"spill\""}},
      {"[[export]]\nwindow = 0.5", {"f.toml:2:10: window must be a size"}},
      {"[[export]]\nspill-directory = ''", {"f.toml:2:19: spill-directory: ", "empty"}},
      {"[[export]]\nspill = '/x'", {"f.toml:2:1: ", "unknown key \"spill\""}},
      {"[server]\ntls = 'yes'", {"f.toml:2:7: tls: \"yes\" is not one of off, on, require"}},
      {"[[export]]\nsink = 'fifo:x'", {"f.toml:2:8: ", "[export.sink]"}},
      {"[[export]]\nsink.module = 1", {"f.toml:2:15: module must be a string"}},
      {"[[export]]\nsink.module = ''", {"f.toml:2:15: module is empty"}},
      {"[[export]]\nsink.key = []", {"f.toml:2:12: \"key\" must be"}},
      {"[[export]]\nsink.key = 1979-05-27", {"f.toml:2:12: \"key\" must be"}},
      {"[export]\nsize = 1", {"f.toml:1:", "write [[export]]"}},
      {"export = []", {"f.toml:1:10: ", "export is empty"}},
      {"export = [1]", {"f.toml:1:11: ", "[[export]]"}},
      {"server = 1", {"f.toml:1:10: ", "[server]"}},
      {"[[export]]\nname = 'a'\n[[export]]\nname = 'a'", {"f.toml:3:1: ", "\"a\" already"}},
      {"[[export]]\n[[export]]\n", {"f.toml:2:1: ", "\"\" already"}},
      {"[server]\nrun = \n", {"f.toml:2:"}},
      {"[server]\nrun = 'a'\nrun = 'b'", {"f.toml:3:"}},
      {"\xff", {"f.toml:1:"}},
      {"a = \"\x01\n\"", {"f.toml:1:"}}};
  for (const auto& [text, parts] : table) {
    const std::string message = error_of_text(text);
    for (const auto part : parts) EXPECT_TRUE(names(message, {part})) << text;
  }
}

TEST(Toml, SaysWhereQuotesAreMissing) {
  EXPECT_TRUE(names(error_of_text("[[export]]\nsize = 40G"),
                    {"f.toml:2:8: size = 40G: ", "in quotes; write size = \"40G\""}));
  EXPECT_TRUE(names(error_of_text("[server]\r\n  stall=500ms # half\r\nsingle = true"),
                    {"f.toml:2:9: stall = 500ms: ", "write stall = \"500ms\""}));
  EXPECT_TRUE(names(error_of_text("[export.sink]\nmodule = fifo\n"),
                    {"f.toml:2:10: ", "write module = \"fifo\""}));
  EXPECT_TRUE(names(error_of_text("path = /dev/vg0/copy"), {"f.toml:1:8: ", "\"/dev/vg0/copy\""}));
}

TEST(Toml, AsksForNoQuotesWhereSomethingElseIsWrong) {
  for (const std::string_view text : {"size = 1\nsize = 2", "size = = 3", "size =", "name = \"a",
                                      "a = [1", "a = 1 2", "= 4", "a"}) {
    EXPECT_EQ(error_of_text(text).find("in quotes"), std::string::npos) << text;
  }
}

TEST(Toml, LoadsAFileAndNamesOneThatIsNone) {
  const temporary_file file("[[export]]\nsize = 1\nsize = 2\n");
  configuration config;
  EXPECT_TRUE(names(error_of([&] { load_toml(file.path(), config); }), {file.path() + ":3:"}));
  EXPECT_TRUE(names(error_of([&] { load_toml("/nonexistent.toml", config); }),
                    {"/nonexistent.toml: No such file or directory"}));
  EXPECT_TRUE(names(error_of([&] { load_toml("a\nb", config); }), {"a\\x0ab: No such file"}));
  EXPECT_TRUE(names(error_of([&] { load_toml("", config); }), {"\"\": No such file"}));
  EXPECT_TRUE(names(error_of([&] { load_toml("/tmp", config); }), {"/tmp: Is a directory"}));
  EXPECT_TRUE(names(error_of([&] { load_toml("/dev/zero", config); }), {"/dev/zero: File too"}));
  EXPECT_TRUE(names(error_of_words({"--config", "/nonexistent.toml"}), {"/nonexistent.toml"}));
}

}  // namespace
}  // namespace nbdstream::config
