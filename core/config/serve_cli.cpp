// SPDX-License-Identifier: BSD-3-Clause
#include "config/serve_cli.hpp"

#include "config/text.hpp"
#include "config/tokens.hpp"
#include "config/validate.hpp"

#include <fmt/format.h>

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

void set_form(command_line& line, std::string_view value) {
  line.served_as = value;
}

source_form form_of(const command_line& line) {
  if (line.served_as.empty()) return source_form::by_first_bytes;
  if (line.served_as == "raw") return source_form::raw;
  if (line.served_as == "zstd") return source_form::zstd;
  if (line.served_as == "diff") return source_form::diff;
  throw error(fmt::format("--as: {}: give raw, zstd or diff", quote(line.served_as)));
}

/// What is said of some of them, since no stream is made here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> other_words{
    {{"option",
      "A setting for the module that reads SOURCE, such as endpoint=URL for s3://; see "
      "nbdstream-serve(1). Can be repeated."},
     {"run",
      "Run COMMAND in a shell, and exit with its exit status when it ends. It may use $uri and "
      "$nbd "
      "(the same), $unixsocket, $port, $exportname, $tls."},
     {"run-shell",
      "The shell of --run. If it is bash, it runs with pipefail: COMMAND fails if any part of a "
      "pipe in it fails. Default: /bin/sh."},
     {"grace",
      "How long the command of --run and a read that hangs get to stop before they are forced to. "
      "Default: 5s."},
     {"payload-timeout",
      "A client that reads nothing of an answer for this long is disconnected. Default: 60s."}}};

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
        {"as", 0, "raw|zstd|diff", "", help_group::source, option_target::line, "", set_form,
         "What SOURCE contains: a raw disk, a compressed disk, or rbd diffs, also those written "
         "with --compress. "
         "Default: what its first bytes look like. Give this option whenever you know the answer: "
         "the guest of a disk can write anything to the first bytes of the disk."}};
    for (const auto& option : command_options()) {
      if (std::ranges::find(taken_over, option.name) != taken_over.end()) {
        options.push_back(for_serve(option));
      }
    }
    return options;
  }();
  return all;
}

/// What the words of the program's own line say of help is not about this one.
std::string with_own_help(std::string why) {
  constexpr std::string_view generic = "see --help";
  if (!why.ends_with(generic)) return why;
  return why.erase(why.size() - generic.size()) + "see nbdstream serve --help";
}

constexpr std::string_view introduction =
    R"(Usage: nbdstream serve [OPTION]... SOURCE...

Serves a backup to NBD clients, read-only: to restore a disk, to boot from it, or to take a file out
of it. nbdstream fetches and decompresses only what a client reads. SOURCE is a file, a block device,
or an object such as s3://BUCKET/KEY. It contains a raw disk; a disk that --compress has compressed;
or rbd diffs (also those written with --compress), which form a chain that begins with a full diff.
)";

constexpr std::string_view statuses = R"(
Exit status: 0 a signal ended it; 1 an error; 2 bad usage, an address that is in use, or a SOURCE
that cannot be served; with --run, the status of the command, or 128+N if signal N ended the command
or the server. See nbdstream-serve(1).
)";

}  // namespace

std::string serve_help_text() {
  return std::string(introduction) + describe_options(serve_options()) + std::string(statuses);
}

serve_command parse_serve_line(int argc, const char* const* argv, bool socket_activation) {
  serve_command out;
  const auto take_source = [&](const auto& word) -> std::optional<positional_word> {
    out.sources.push_back(word);
    return std::nullopt;
  };
  const auto tokens = [&] {
    try {
      return tokenize(argc, argv, serve_options(), take_source);
    } catch (const error& e) {
      throw error(with_own_help(e.what()));
    }
  }();
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
  out.as = form_of(line);
  const bool one_disk = out.as == source_form::raw || out.as == source_form::zstd;
  if (one_disk && out.sources.size() > 1) {
    throw error(fmt::format("--as {} is for one SOURCE; only a chain of diffs has several",
                            line.served_as));
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
