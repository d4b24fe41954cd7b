// SPDX-License-Identifier: BSD-3-Clause
#include "restore/subcommand.hpp"

#include "config/config.hpp"
#include "config/text.hpp"
#include "restore/apply.hpp"
#include "restore/cat.hpp"
#include "restore/failure.hpp"
#include "restore/info.hpp"
#include "restore/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

namespace nbdstream::restore {
namespace {

using arguments = std::span<const char* const>;

constexpr std::string_view apply_help =
    R"(Usage: nbdstream apply [OPTION...] TARGET [DIFF...]
       zstd -dc full.zst monday.zst | nbdstream apply disk.raw

Writes the disk that rbd diffs (v1) describe to TARGET: a raw file, a block device, or the URI of an
NBD server. A file that does not exist is made; it appears at TARGET when it is complete. DIFF is a
file, or - for standard input, which is the default. A file may hold several diffs, one after the
other.

      --from NAME   TARGET holds the snapshot NAME, from which the first diff begins. Default: the
                    snapshot that the last apply to this file has recorded.
      --in-place    Write to a TARGET that exists even if the diff comes through a pipe, so before
                    its end was read.
      --resize      Let a raw file grow to the size of the disk.
      --verify      Read back what was written, and compare it.
      --progress    Show the progress on stderr, even if that is not a terminal.
      --help        Print this text, and exit.

See nbdstream-apply(1).
)";

constexpr std::string_view cat_help =
    R"(Usage: nbdstream cat [DIFF...]

Writes the disk that rbd diffs (v1) describe to standard output, after all diffs were read and found
complete. The first diff must be a full one. DIFF is a file, or - for standard input, which is the
default.

      --help        Print this text, and exit.

See nbdstream-apply(1).
)";

constexpr std::string_view info_help =
    R"(Usage: nbdstream info [--json] [DIFF...]

Shows what rbd diffs (v1) contain, and whether they are complete. DIFF is a file, or - for standard
input, which is the default.

      --json        Print a JSON array with one object for each diff.
      --help        Print this text, and exit.

See nbdstream-apply(1).
)";

/// Of a command line that has been read.
using job = std::function<void(const stop_signals&)>;

job print(std::string_view text) {
  return [text](const stop_signals&) { fmt::print("{}", text); };
}

job read_apply(arguments argv) {
  apply_options o;
  bool help = false;
  const std::array<word_option, 6> options{{
      {"from", true, [&](std::string name) { o.from = std::move(name); }},
      {"in-place", false, [&](const std::string&) { o.in_place = true; }},
      {"resize", false, [&](const std::string&) { o.resize = true; }},
      {"verify", false, [&](const std::string&) { o.verify = true; }},
      {"progress", false, [&](const std::string&) { o.progress = true; }},
      {"help", false, [&](const std::string&) { help = true; }},
  }};
  auto words = split_words(argv, options);
  if (help) return print(apply_help);
  if (words.empty() || words.front().empty())
    throw config::error("apply needs a target; see nbdstream apply --help");
  o.target = std::move(words.front());
  if (o.target == "-")
    throw config::error(
        "apply needs a target that is a file, a device or a URI; nbdstream cat "
        "writes the disk to standard output");
  o.diffs.assign(std::make_move_iterator(words.begin() + 1), std::make_move_iterator(words.end()));
  return [o = std::move(o)](const stop_signals& signals) { apply(o, signals); };
}

job read_cat(arguments argv) {
  bool help = false;
  const std::array<word_option, 1> options{
      {{"help", false, [&](const std::string&) { help = true; }}}};
  auto words = split_words(argv, options);
  if (help) return print(cat_help);
  return [words = std::move(words)](const stop_signals& signals) { cat(words, signals); };
}

job read_info(arguments argv) {
  bool help = false;
  bool json = false;
  const std::array<word_option, 2> options{{
      {"help", false, [&](const std::string&) { help = true; }},
      {"json", false, [&](const std::string&) { json = true; }},
  }};
  auto words = split_words(argv, options);
  if (help) return print(info_help);
  return
      [words = std::move(words), json](const stop_signals& signals) { info(words, json, signals); };
}

struct subcommand {
  std::string_view name;
  job (*read)(arguments);
};
constexpr std::array<subcommand, 3> subcommands{
    {{"apply", read_apply}, {"cat", read_cat}, {"info", read_info}}};

job read_command_line(arguments argv) {
  const std::string_view word = argv[1];
  // The last ones are not of this program; who asks for one of them was sent here by a mistake in
  // its name.
  std::array<std::string_view, subcommands.size() + 3> names{"", "", "", "ctl", "serve", "verify"};
  for (std::size_t i = 0; i < subcommands.size(); ++i) {
    if (subcommands[i].name == word) return subcommands[i].read(argv);
    names[i] = subcommands[i].name;
  }
  auto hint = config::did_you_mean(word, names);
  if (hint.empty()) hint = "; where the stream goes is given as --sink NAME:ARGUMENT";
  throw config::error(fmt::format("{} is neither a subcommand ({}) nor an option nor KEY=VALUE{}",
                                  config::quote(word), fmt::join(names, ", "), hint));
}

}  // namespace

int run_subcommand(arguments argv, log::logger& log) {
  const job run = read_command_line(argv);
  // A reader that goes away, a limit on the size of files: errors of the write that meets them.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const stop_signals signals;
  try {
    run(signals);
    return 0;
  } catch (const stopped& by) {
    log.error("ended by signal {}", by.signal);
    return 128 + by.signal;
  }
}

}  // namespace nbdstream::restore
