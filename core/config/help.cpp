// SPDX-License-Identifier: BSD-3-Clause
//
// --help and --version.
#include "config/cli.hpp"
#include "config/command_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace nbdstream::config {
namespace {

constexpr std::size_t width = 92;
constexpr std::size_t indent = 30;

constexpr std::string_view introduction =
    R"(nbdstream - turn what is written to an NBD server into a sequential stream

Usage:
  nbdstream [OPTION]... [--sink NAME[:ARGUMENT]] [pipe=PATH] [size=SIZE]
  nbdstream --config FILE [OPTION]...
  nbdstream serve|apply|cat|info|verify|ctl ...

An NBD client writes to nbdstream, which sends the bytes to a sink (such as a named pipe) in the
order of their offsets, each byte once. A stream ends in exactly one of commit and abort; exit
status 0 means that every stream was committed. The parameters of nbdkit's streaming plugin are
accepted in any position: pipe=PATH and write=PATH mean --sink fifo:PATH, size=SIZE means
--size SIZE.

Subcommands, each with its own --help: serve makes an NBD export of a backup; apply, cat and info
read rbd diffs; verify compares a stream with its receipt; ctl controls a running nbdstream.
)";

constexpr std::string_view values = R"(
SIZE is a number of bytes, or a number and one of k, M, G, T, P, E (powers of 1024) or s (512
bytes). TIME is a number of seconds, or a number and one of us, ms, s, m, h.

Exit status:
  0       every stream was committed, and the command of --run exited 0; or an idle service
          (--streams 0) was stopped by a signal
  2       bad usage or configuration, or an address that cannot be listened on, found before
          anything is created
  N       the command of --run exited with status N; 128+N: signal N ended it
  128+N   signal N ended nbdstream while a stream was open, while the command of --run was running,
          or before all streams were served (--streams above 0); the log tells which are outstanding
  1       any other failure: a stream was aborted, be it the last or an earlier one; nothing was
          written; no client wrote within --client-timeout

Examples:
  Write a disk image into a named pipe:
    nbdstream --sink fifo:output --run 'qemu-img convert -n in.qcow2 -O raw "$uri"'

  Compress a disk image:
    set -o pipefail
    nbdstream --sink stdout --run 'qemu-img convert -n in.qcow2 -O raw "$uri"' | zstd > in.raw.zst

  Wait for a client that writes a disk of 40 GiB in any order, and send the disk over the network:
    nbdstream --sink socket:tcp://backup.example:9000 --size 40G -U /run/nbd.sock

  Take a live backup of a running virtual machine, whose writes come in any order:
    set -o pipefail
    nbdstream --sink stdout --size 40G -U /run/nbd.sock | zstd > vm1.raw.zst

  Serve one stream after the other without an end, on TCP port 10809:
    nbdstream --sink fifo:/run/backup/vm1 --size 40G --streams 0 -p 10809

  Print what a command line means as a file for --config:
    nbdstream --sink fifo:output --size 40G --dump-config
)";

constexpr std::array<std::pair<help_group, std::string_view>, 8> headings{
    {{help_group::source, "What is served"},
     {help_group::sink, "Where the stream goes"},
     {help_group::stream, "The export and its streams"},
     {help_group::listen, "How clients connect"},
     {help_group::tls, "Encryption"},
     {help_group::run, "The command and time limits"},
     {help_group::report, "Progress, metrics and log"},
     {help_group::other, "Other"}}};

/// "-o, --option KEY=VALUE"
std::string synopsis(const command_option& option) {
  std::string out = "  ";
  out += option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
  out += fmt::format("--{}", option.name);
  if (option.value.empty()) return out;
  return out + (option.implied.empty() ? fmt::format(" {}", option.value)
                                       : fmt::format("[={}]", option.value));
}

/// Appends `help` in the right-hand column; `line` is what stands in the left one.
void append_wrapped(std::string& out, std::string line, std::string_view help) {
  if (line.size() + 2 > indent) {
    out += line + '\n';
    line.clear();
  }
  line.resize(indent, ' ');
  while (!help.empty()) {
    const std::size_t end = std::min(help.find(' '), help.size());
    if (line.size() + end > width) {
      out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
      line.assign(indent, ' ');
    }
    line += help.substr(0, end);
    line += ' ';
    help.remove_prefix(std::min(end + 1, help.size()));
  }
  out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
}

}  // namespace

std::string describe_options(std::span<const command_option> options) {
  std::string out;
  for (const auto& [group, heading] : headings) {
    const auto in_group = [wanted = group](const auto& option) { return option.group == wanted; };
    if (std::ranges::none_of(options, in_group)) continue;
    out += fmt::format("\n{}:\n", heading);
    for (const auto& option : options) {
      if (in_group(option)) append_wrapped(out, synopsis(option), option.help);
    }
  }
  return out;
}

std::string help_text() {
  return std::string(introduction) + describe_options(command_options()) + std::string(values);
}

std::string version_text() {
  return "nbdstream " + version();
}

std::string version() {
  return NBDSTREAM_VERSION;
}

}  // namespace nbdstream::config
