// SPDX-License-Identifier: BSD-3-Clause
//
// What the command line refuses, and that each refusal names the thing and what to do.
#include "unit/config/config_support.hpp"

namespace nbdstream::config {
namespace {

struct refused {
  std::vector<std::string> words;
  std::vector<std::string_view> parts;  ///< of the message
};

void expect_refused(const std::vector<refused>& table) {
  for (const auto& [words, parts] : table) {
    const std::string message = error_of_words(words);
    for (const auto part : parts) EXPECT_TRUE(names(message, {part}));
  }
}

TEST(CommandLineErrors, SuggestTheNearestOption) {
  expect_refused({{{"--siz", "1"}, {"\"--siz\"", "unknown option", "--size?"}},
                  {{"--stream=3"}, {"--streams?"}},
                  {{"--exportname", "x"}, {"--export-name?"}},
                  {{"--no-padding"}, {"\"--no-padding\"", "unknown option"}},
                  {{"--completely-else"}, {"unknown option", "see --help"}},
                  {{"-Z"}, {"\"-Z\"", "unknown option"}},
                  {{"-fZ"}, {"unknown option"}}});
}

TEST(CommandLineErrors, DoNotGuessAbbreviations) {
  expect_refused({{{"--pid", "x"}, {"\"--pid\"", "unknown option"}},
                  {{"--sin", "fifo:x"}, {"unknown option", "--sink?"}}});
}

TEST(CommandLineErrors, NameAValueThatIsWrong) {
  expect_refused({{{"--size", "12x"}, {"--size: ", "\"12x\"", "40G"}},
                  {{"--size=-1"}, {"--size: ", "negative"}},
                  {{"size=x"}, {"size=: ", "\"x\""}},
                  {{"--settle", "soon"}, {"--settle: ", "\"soon\"", "500ms"}},
                  {{"--gaps", "alow"}, {"--gaps: ", "\"alow\"", "allow, refuse", "mean \"allow\""}},
                  {{"--data-path", "fast"}, {"--data-path: ", "auto, copy"}},
                  {{"--log-level", "all"}, {"--log-level: ", "error, warning, info, debug"}},
                  {{"--order", "any"}, {"--order: ", "auto, strict, window, spill, spool"}},
                  {{"--order", "spil"}, {"--order: ", "\"spil\"", "mean \"spill\""}},
                  {{"--window", "64MB"}, {"--window: ", "\"64MB\"", "40G"}},
                  {{"--window", "16E"}, {"--window: ", "\"16E\"", "too large"}},
                  {{"--stall", "never"}, {"--stall: ", "\"never\"", "500ms"}},
                  {{"--spill-directory", ""}, {"--spill-directory: ", "empty", "directory"}},
                  {{"--spill-limit=-1"}, {"--spill-limit: ", "negative"}},
                  {{"--streams", "two"}, {"--streams: ", "\"two\""}},
                  {{"--streams=-1"}, {"--streams: ", "\"-1\""}},
                  {{"-p", "65536"}, {"--port: ", "\"65536\"", "65535"}},
                  {{"--vsock", "x"}, {"--vsock: ", "\"x\""}},
                  {{"-U", ""}, {"--unix: ", "unix:PATH"}},
                  {{"-i", ""}, {"--ipaddr: "}},
                  {{"--run", ""}, {"--run: ", "empty", "command"}},
                  {{"--pidfile", ""}, {"--pidfile: ", "empty"}},
                  {{"--progress=x"}, {"--progress: ", "\"x\""}},
                  {{"--sink", ":x"}, {"--sink: ", "NAME:ARGUMENT"}},
                  {{"--sink", ""}, {"--sink: ", "NAME:ARGUMENT"}},
                  {{"-o", "novalue"}, {"--option: ", "\"novalue\"", "KEY=VALUE"}},
                  {{"-o", "=x"}, {"--option: ", "KEY=VALUE"}},
                  {{"-o", "argument=x"}, {"--option: ", "--sink NAME:ARGUMENT"}},
                  {{"--size", "1\n2"}, {"\\x0a"}}});
}

TEST(CommandLineErrors, NameAValueThatIsMissingOrTooMuch) {
  expect_refused({{{"--size"}, {"--size needs a value"}},
                  {{"-U"}, {"--unix needs a value"}},
                  {{"--size", "--no-pad"}, {"--size: ", "\"--no-pad\""}},
                  {{"--size="}, {"--size", "equals sign"}},
                  {{"--no-pad=1"}, {"--no-pad takes no value"}}});
}

TEST(CommandLineErrors, RefuseASecondValueWhereOneIsMeant) {
  expect_refused({{{"--size", "1", "--size", "2"}, {"--size is given twice"}},
                  {{"--size", "1", "size=2"}, {"--size and size= say the same thing"}},
                  {{"pipe=a", "write=b"}, {"pipe= and write= say the same thing"}},
                  {{"pipe=a", "--sink", "stdout"}, {"pipe= and --sink"}},
                  {{"--sink", "a", "--sink", "b"}, {"--sink is given twice"}},
                  {{"-U", "a", "-U", "b"}, {"--unix is given twice"}},
                  {{"-p", "1", "--port=2"}, {"--port is given twice"}},
                  {{"--config", "a", "--config", "b"}, {"--config is given twice"}},
                  {{"-o", "a=1", "-o", "a=2"}, {"--option: ", "\"a\" is given twice"}},
                  {{"--progress", "--progress=3"}, {"--progress is given twice"}}});
}

TEST(CommandLineErrors, RefuseReadingAndNameNbdcopy) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"read=x"}, {"-r"}, {"--readonly"}, {"-r", "pipe=x"}}) {
    EXPECT_TRUE(names(error_of_words(words), {"reading is not built", "nbdcopy(1)"}));
  }
}

TEST(CommandLineErrors, ExplainStrayWords) {
  expect_refused({{{"-"}, {"\"-\"", "--sink NAME:ARGUMENT"}},
                  {{"output"}, {"\"output\"", "--sink NAME:ARGUMENT"}},
                  {{"=x"}, {"\"=x\""}},
                  {{""}, {"\"\""}},
                  {{"--", "--size"}, {"\"--size\""}},
                  {{"pip=x"}, {"\"pip=x\"", "unknown parameter", "mean \"pipe\""}},
                  {{"streams=2"}, {"\"streams=2\"", "--streams"}},
                  {{"file=x"}, {"\"file=x\"", "pipe=, write= and size="}},
                  {{"pipe="}, {"pipe=: ", "empty"}}});
}

TEST(CommandLineErrors, ExplainTls) {
  expect_refused({{{"--tls=maybe"}, {"--tls: ", "off, on, require"}},
                  {{"--tls-certificates", ""}, {"--tls-certificates: ", "a directory"}},
                  {{"--tls-psk", ""}, {"--tls-psk: ", "a file"}},
                  {{"--tls-verify-peer=1"}, {"--tls-verify-peer", "no value"}}});
}

}  // namespace
}  // namespace nbdstream::config
