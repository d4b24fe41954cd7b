// SPDX-License-Identifier: BSD-3-Clause
#include "config/serve_cli.hpp"

#include "config/tokens.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace nbdstream::config {
namespace {

/// Those of the program that are about being reached and about running.
constexpr std::array<std::string_view, 27> taken_over{"option",
                                                      "export-name",
                                                      "description",
                                                      "unix",
                                                      "unix-mode",
                                                      "port",
                                                      "ipaddr",
                                                      "vsock",
                                                      "tls",
                                                      "tls-certificates",
                                                      "tls-psk",
                                                      "tls-verify-peer",
                                                      "run",
                                                      "run-shell",
                                                      "grace",
                                                      "handshake-timeout",
                                                      "payload-timeout",
                                                      "pidfile",
                                                      "exit-with-parent",
                                                      "foreground",
                                                      "log",
                                                      "log-level",
                                                      "log-format",
                                                      "verbose",
                                                      "single",
                                                      "version",
                                                      "help"};

void set_raw(command_line& line, std::string_view) {
  line.raw = true;
}

/// What is said of some of them, since no stream is made here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> other_words{
    {{"option",
      "A setting for what reads SOURCE, as endpoint=URL for s3://; see nbdstream-serve(1). "
      "Repeatable."},
     {"run",
      "Run COMMAND in a shell, and end with it and with its exit status. It may use $uri and $nbd "
      "(the same), $unixsocket, $port, $exportname, $tls."},
     {"run-shell",
      "The shell of --run. Where it is a bash it runs with pipefail, so that COMMAND fails where "
      "any "
      "part of a pipe in it does. Default: /bin/sh."},
     {"grace",
      "Between asking the command of --run, or a read that hangs, to end and forcing it. Default: "
      "5s."},
     {"payload-timeout",
      "A client that takes nothing of an answer for this long is disconnected. Default: 60s."}}};

/// Of the program's option, what stands here of it.
command_option for_serve(command_option option) {
  for (const auto& [name, words] : other_words) {
    if (option.name == name) option.help = words;
  }
  const bool about_source = option.group == help_group::sink || option.group == help_group::stream;
  if (about_source) option.group = help_group::source;
  return option;
}

const std::vector<command_option>& serve_options() {
  static const auto all = [] {
    std::vector<command_option> options{
        {"raw", 0, "", "true", help_group::source, option_target::line, "", set_raw,
         "Serve the file as it is, whatever it looks like: a guest may write what looks like a "
         "compressed disk, or like a diff, to the beginning of its own."}};
    for (const auto& option : command_options()) {
      if (std::ranges::find(taken_over, option.name) != taken_over.end()) {
        options.push_back(for_serve(option));
      }
    }
    return options;
  }();
  return all;
}

constexpr std::string_view introduction =
    R"(Usage: nbdstream serve [OPTION]... SOURCE...

Serves a backup to NBD clients, read-only: to restore a disk, to boot from it, or to take a file out of
it. Only what a client reads is fetched and decompressed. SOURCE is a file, or an object as in
s3://BUCKET/KEY: a raw disk; a disk that --compress has compressed; or a chain of rbd diffs, compressed
or not, a full one first.
)";

constexpr std::string_view statuses = R"(
Exit status: 0 a signal has ended it; 1 an error; 2 wrong usage, an address that is in use, or a SOURCE
that cannot be served; with --run, that of the command, or 128+N where signal N has ended one of both.
See nbdstream-serve(1).
)";

}  // namespace

std::string serve_help_text() {
  return std::string(introduction) + describe_options(serve_options()) + std::string(statuses);
}

serve_command parse_serve_line(int argc, const char* const* argv, bool socket_activation) {
  serve_command out;
  const auto tokens = tokenize(argc, argv, serve_options(),
                               [&](const auto& word) -> std::optional<positional_word> {
                                 out.sources.push_back(word);
                                 return std::nullopt;
                               });
  using action = serve_command::action;
  if (find_token(tokens, "help") != nullptr) out.what = action::help;
  if (find_token(tokens, "version") != nullptr) out.what = action::version;
  if (out.what != action::serve) return out;
  configuration config;
  command_line line;
  for (const auto& t : tokens) apply(t, line, config, {});
  merge_listen(line, config.server, config.server.single);
  if (out.sources.empty()) {
    throw error("serve needs something to serve; see nbdstream serve --help");
  }
  out.raw = line.raw;
  if (out.raw && out.sources.size() > 1) {
    throw error("--raw is for one file; a chain of diffs has several");
  }
  if (config.exports.empty()) config.exports.emplace_back();
  out.options = std::move(line.settings);
  // A size and an end of their own, so that nothing is asked of a stream.
  config.exports.front().size = 1;
  static_cast<void>(complete_and_validate(config, socket_activation));
  out.server = std::move(config.server);
  out.name = std::move(config.exports.front().name);
  out.description = std::move(config.exports.front().description);
  return out;
}

}  // namespace nbdstream::config
