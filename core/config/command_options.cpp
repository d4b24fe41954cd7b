// SPDX-License-Identifier: BSD-3-Clause
#include "config/command_options.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nbdstream::config {
namespace {

using text = std::string_view;
using action = command::action;
using target = option_target;

void set_sink(command_line& line, text value) {
  const auto colon = value.find(':');
  sink_config sink;
  sink.module = value.substr(0, colon);
  if (sink.module.empty()) {
    throw error(fmt::format("{} names no module; write NAME or NAME:ARGUMENT", quote(value)));
  }
  if (colon != text::npos && colon + 1 < value.size()) sink.argument = value.substr(colon + 1);
  line.sink = sink;
}

void add_setting(command_line& line, text value) {
  const auto equals = value.find('=');
  const text key = value.substr(0, equals);
  if (equals == text::npos || key.empty()) {
    throw error(fmt::format("{} is not KEY=VALUE", quote(value)));
  }
  if (key == "module" || key == "argument") {
    throw error(fmt::format("{} is not a setting; write --sink NAME:ARGUMENT", key));
  }
  const bool twice = std::any_of(line.settings.begin(), line.settings.end(),
                                 [&](const auto& s) { return s.key == key; });
  if (twice) throw error(fmt::format("{} is given twice; give it once", quote(key)));
  line.settings.push_back({std::string(key), std::string(value.substr(equals + 1)), "--option"});
}

void add_unix(command_line& line, text value) {
  line.listen.push_back(parse_listen(fmt::format("unix:{}", value)));
}

void add_vsock(command_line& line, text value) {
  line.listen.push_back(parse_listen(fmt::format("vsock:{}", value)));
}

void set_port(command_line& line, text value) {
  line.tcp_port = static_cast<std::uint32_t>(parse_integer(value, 0, 65535));
}

/// Accepts an IPv6 address with brackets and without.
void set_address(command_line& line, text value) {
  const bool bare = value.find(':') != text::npos && !value.starts_with('[');
  line.tcp_host =
      parse_listen(fmt::format("tcp:{}{}{}:0", bare ? "[" : "", value, bare ? "]" : "")).host;
}

template <action what>
void set_action(command_line& line, text value) {
  if (line.what && *line.what != what) {
    throw error("there is another option that only prints something; give one of them");
  }
  line.what = what;
  line.dumped_sink = value;
}

void set_checked_sink(command_line& line, text value) {
  set_action<action::check_sink>(line, value);
  set_sink(line, value);
}

[[noreturn]] void refuse_reading(command_line&, text) {
  throw error("reading is not built; to pull from an NBD server use nbdcopy(1)");
}

void ignore(command_line&, text) {}

using group = help_group;
constexpr command_option options[] = {
    {"sink", 0, "NAME[:ARGUMENT]", "", group::sink, target::line, "", set_sink,
     "Where the stream goes: a sink module's name, or with a '/' the path of a .so, and its main "
     "argument, as in fifo:PATH. Default module: fifo."},
    {"option", 'o', "KEY=VALUE", "", group::sink, target::line, "", add_setting,
     "A further setting of the sink; see --dump-sink. Repeatable.", true},

    {"size", 0, "SIZE", "", group::stream, target::exported, "size", nullptr,
     "Virtual size of the export: 512, 640k, 40G. Without it clients see 2^63 - 2^30 bytes, and "
     "the stream ends at the highest byte that was named."},
    {"max-stream", 0, "SIZE", "", group::stream, target::exported, "max-stream", nullptr,
     "Without --size: a byte named beyond this is ENOSPC and fails the stream. Default: 64T."},
    {"order", 0, "MODE", "", group::stream, target::exported, "order", nullptr,
     "What happens to a write ahead of the stream's end. strict: the gap is sent as zeroes at "
     "once. window: it waits in RAM (nbdcopy). spill: as window, and what does not "
     "fit there goes to an unlinked file (live backup). spool: the whole disk is kept in that "
     "file and sent when it is complete, so it may be rewritten and read (qcow2, mkfs); in the "
     "others a write behind the stream's end fails it. auto, the default, is spill."},
    {"window", 0, "SIZE", "", group::stream, target::exported, "window", nullptr,
     "window, spill: RAM for data that is ahead of the stream. Default: 64M."},
    {"stall", 0, "TIME", "", group::stream, target::exported, "stall", nullptr,
     "window, spill: how long a full window waits for its gap; then the gap is sent as zeroes, or "
     "with --gaps refuse the stream fails. Default: 2s."},
    {"spill-directory", 0, "DIR", "", group::stream, target::exported, "spill-directory", nullptr,
     "spill, spool: where the file is. Default: $TMPDIR, or else /var/tmp."},
    {"spill-limit", 0, "SIZE", "", group::stream, target::exported, "spill-limit", nullptr,
     "spill, spool: how much the file may hold. Default: what the disk has."},
    {"gaps", 0, "allow|refuse", "", group::stream, target::exported, "gaps", nullptr,
     "Whether bytes that no request named count as zeroes at the end. Default: refuse with "
     "--size and without --run, except with --order spool; else allow."},
    {"no-pad", 0, "", "false", group::stream, target::exported, "pad", nullptr,
     "End at the highest byte named, even with --size."},
    {"format", 0, "raw|rbd-diff", "", group::stream, target::exported, "format", nullptr,
     "What the stream is made of. raw, the default: the bytes of the disk in their order. "
     "rbd-diff: records (\"rbd diff v1\"), each with its offset, so that clients may write in any "
     "order and again, and nothing is held; its last record is the end, which no broken stream "
     "has. For nbdstream apply, or rbd import-diff. Needs --size."},
    {"diff-from", 0, "NAME", "", group::stream, target::exported, "diff-from", nullptr,
     "rbd-diff: an incremental backup, of what has changed since the snapshot NAME. What no "
     "request named is unchanged."},
    {"diff-to", 0, "NAME", "", group::stream, target::exported, "diff-to", nullptr,
     "rbd-diff: the snapshot that is made, which the next --diff-from names."},
    {"expect-bytes", 0, "N", "", group::stream, target::exported, "expect-bytes", nullptr,
     "With --diff-from: so many bytes must be named, each counted once, or the stream is aborted: "
     "for QEMU's backup job the \"count\" of its dirty bitmap."},
    {"streams", 0, "N", "", group::stream, target::exported, "streams", nullptr,
     "How many streams to serve before exiting; 0: for ever. Default: 1, which --run requires."},
    {"end", 0, "goodbye|told", "", group::stream, target::exported, "end", nullptr,
     "Who says that a stream is complete. goodbye, the default: its clients, by how they "
     "disconnect, and --run by its exit status. told: somebody who knows whether the job that "
     "writes has succeeded, through --control; see nbdstream ctl."},
    {"receipt", 0, "FILE", "", group::stream, target::exported, "receipt", nullptr,
     "Write FILE when the stream is committed, and only then: what was sent, its digest, and when. "
     "See nbdstream verify."},
    {"digest", 0, "sha256|blake2b|xxh3", "", group::stream, target::exported, "digest", nullptr,
     "Compute a digest of the stream. Default: sha256 with --receipt, else none."},
    {"compress", 0, "zstd[:LEVEL]", "", group::stream, target::exported, "compress", nullptr,
     "Compress the stream on its way to the sink, in zstd's seekable format: frames of 4 MiB, and "
     "a "
     "table at the end, which no broken stream has. LEVEL is from -7 (fast) to 19. Default: 3."},
    {"settle", 0, "TIME", "", group::stream, target::exported, "settle", nullptr,
     "Without --run: how long a stream of nothing but zeroes waits for another connection before "
     "it ends. Default: 1s."},
    {"export-name", 'e', "NAME", "", group::stream, target::exported, "name", nullptr,
     "Name of the export. Default: the empty name, which clients ask for by default, and which "
     "also finds an export of any name where it is the only one."},
    {"description", 0, "TEXT", "", group::stream, target::exported, "description", nullptr,
     "What clients are told about the export."},

    {"unix", 'U', "PATH|@NAME|-", "", group::listen, target::line, "", add_unix,
     "Listen on a Unix socket. One that an earlier server left behind is replaced, one that is in "
     "use is an error. @NAME: in Linux's abstract namespace. '-': a private one in a fresh "
     "temporary directory, which is the default with --run."},
    {"unix-mode", 0, "MODE", "", group::listen, target::server, "unix-mode", nullptr,
     "Permissions of the socket of --unix PATH, in octal, as in 0660; connecting needs write "
     "permission. Default: what umask leaves."},
    {"port", 'p', "N", "", group::listen, target::line, "", set_port,
     "Listen on this TCP port; 0: the kernel chooses. Default: 10809."},
    {"ipaddr", 'i', "ADDRESS", "", group::listen, target::line, "", set_address,
     "Listen on TCP at this address. Default: 127.0.0.1."},
    {"vsock", 0, "N", "", group::listen, target::line, "", add_vsock, "Listen on this vsock port."},
    {"single", 's', "", "true", group::listen, target::server, "single", nullptr,
     "Serve one connection on stdin and stdout."},
    {"tls", 0, "off|on|require", "", group::tls, target::server, "tls", nullptr,
     "Whether clients may (on) or must (require) use TLS, as in nbdkit-tls(1). Default: on with "
     "--tls-certificates or --tls-psk, else off."},
    {"tls-certificates", 0, "DIR", "", group::tls, target::server, "tls-certificates", nullptr,
     "ca-cert.pem, server-cert.pem, server-key.pem, and ca-crl.pem if there is one. Default: "
     "/etc/pki/nbdkit for root, for others ~/.pki/nbdkit or ~/.config/pki/nbdkit."},
    {"tls-psk", 0, "FILE", "", group::tls, target::server, "tls-psk", nullptr,
     "Pre-shared keys instead of certificates: lines of USER:HEXKEY, as psktool(1) writes them."},
    {"tls-verify-peer", 0, "", "true", group::tls, target::server, "tls-verify-peer", nullptr,
     "Let only clients in that show a certificate which ca-cert.pem has signed; with --tls "
     "require, "
     "since others need none."},

    {"run", 0, "COMMAND", "", group::run, target::server, "run", nullptr,
     "Run COMMAND in a shell, and end with it. It may use $uri and $nbd (the same), "
     "$unixsocket, $port, $exportname, $tls. Its exit status decides whether the stream is "
     "complete."},
    {"run-shell", 0, "PATH", "", group::run, target::server, "run-shell", nullptr,
     "The shell of --run. Where it is a bash it runs with pipefail, so that COMMAND fails where "
     "any part of a pipe in it does. Default: /bin/sh, for which the last part of a pipe is all "
     "that counts."},
    {"run-grace", 0, "TIME", "", group::run, target::server, "run-grace", nullptr,
     "After COMMAND ended: how long to read what its connections still hold. Default: 10s."},
    {"grace", 0, "TIME", "", group::run, target::server, "grace", nullptr,
     "Between asking something to end and forcing it. Default: 5s."},
    {"handshake-timeout", 0, "TIME", "", group::run, target::server, "handshake-timeout", nullptr,
     "Deadline of a client's handshake. Default: 10s."},
    {"payload-timeout", 0, "TIME", "", group::run, target::server, "payload-timeout", nullptr,
     "A write whose data stops coming for this long aborts the stream. So does a write to the file "
     "of spill or spool that takes longer. Default: 60s."},
    {"client-timeout", 0, "TIME", "", group::run, target::server, "client-timeout", nullptr,
     "End with status 1 where no client has written anything within this time. Default: none."},
    {"data-path", 0, "auto|copy", "", group::run, target::server, "data-path", nullptr,
     "auto: the kernel moves the data where it can; copy: always through a buffer."},
    {"pidfile", 'P', "PATH", "", group::run, target::server, "pidfile", nullptr,
     "Write the process ID to PATH once clients can connect, and remove it at the end. Only a "
     "regular file is replaced."},
    {"exit-with-parent", 0, "", "true", group::run, target::server, "exit-with-parent", nullptr,
     "Stop when the parent process ends."},
    {"foreground", 'f', "", "true", group::run, target::line, "", ignore,
     "Accepted, for scripts written for nbdkit: nbdstream never goes to the background."},

    {"progress", 0, "FD", "auto", group::report, target::server, "progress", nullptr,
     "Show on stderr how far the streams are: on a terminal in a line that is drawn again, else in "
     "a line every 10 s. With =FD, for programs: lines of N/100 on that descriptor, as nbdcopy "
     "writes them. SIGUSR1 logs the same once, at any time."},
    {"control", 0, "PATH", "", group::report, target::server, "control", nullptr,
     "Listen for HTTP on a Unix socket: status, metrics, a page to look at, and commit, abort and "
     "stop. See nbdstream ctl."},
    {"control-mode", 0, "MODE", "", group::report, target::server, "control-mode", nullptr,
     "Permissions of that socket, in octal. Default: 0600, this user alone."},
    {"metrics", 0, "[HOST:]PORT", "", group::report, target::server, "metrics", nullptr,
     "Serve the read-only part of that over TCP: /metrics for Prometheus, /v1/status, and the "
     "page. "
     "Default HOST: 127.0.0.1."},
    {"metrics-file", 0, "FILE", "", group::report, target::server, "metrics-file", nullptr,
     "Write the metrics to FILE every 10 s and at the end, for node_exporter's textfile "
     "collector."},
    {"log", 0, "stderr|journal", "", group::report, target::server, "log", nullptr,
     "Where the log goes. Default: the journal of systemd where stderr is connected to it and "
     "--log-format is text, else stderr. In the journal each event has fields, NBDSTREAM_EXPORT "
     "for "
     "one."},
    {"log-level", 0, "LEVEL", "", group::report, target::server, "log-level", nullptr,
     "error, warning, info or debug. Default: info."},
    {"log-format", 0, "text|json", "", group::report, target::server, "log-format", nullptr,
     "Lines for people, or one JSON object a line. Default: text."},
    {"verbose", 'v', "", "debug", group::report, target::server, "log-level", nullptr,
     "The same as --log-level debug."},

    {"config", 0, "FILE", "", group::other, target::line, "", ignore,
     "Read FILE (TOML), with the same names as these options; the command line wins over it."},
    {"list-sinks", 0, "", "true", group::other, target::line, "", set_action<action::list_sinks>,
     "List the sink modules that are found, and exit."},
    {"dump-sink", 0, "NAME", "", group::other, target::line, "", set_action<action::dump_sink>,
     "Show what a sink module is and which settings it takes, and exit."},
    {"check-sink", 0, "NAME[:ARGUMENT]", "", group::other, target::line, "", set_checked_sink,
     "Drive a sink module, most of all one of your own, through every turn of its life, print a "
     "line for each check (TAP), and exit. The sink is given as to --sink, --option goes with it, "
     "--grace is how long a call may take, and somebody must read the streams."},
    {"dump-config", 0, "", "true", group::other, target::line, "", set_action<action::dump_config>,
     "Print the configuration in effect as TOML that --config reads back, and exit."},
    {"readonly", 'r', "", "true", group::other, target::line, "", refuse_reading,
     "Refused, as read=PATH is: reading is not built. To pull from an NBD server use nbdcopy(1)."},
    {"version", 'V', "", "true", group::other, target::line, "", set_action<action::version>,
     "Print the version, and exit."},
    {"help", 'h', "", "true", group::other, target::line, "", set_action<action::help>,
     "Print this, and exit."},
};

}  // namespace

std::span<const command_option> command_options() {
  return options;
}

const command_option* find_option(std::span<const command_option> among, std::string_view name) {
  const auto found =
      std::find_if(among.begin(), among.end(), [&](const auto& o) { return o.name == name; });
  return found == among.end() ? nullptr : &*found;
}

const command_option* find_option(std::string_view name) {
  return find_option(options, name);
}

positional_word parse_positional(std::string_view word) {
  constexpr std::array<text, 3> known{"pipe", "write", "size"};
  const auto equals = word.find('=');
  if (equals == text::npos || equals == 0) {
    throw error(
        fmt::format("{} is neither an option nor KEY=VALUE; where the stream goes is given "
                    "as --sink NAME:ARGUMENT",
                    quote(word)));
  }
  const text key = word.substr(0, equals);
  const std::string value(word.substr(equals + 1));
  const std::string where = fmt::format("{}=", key);
  if (key == "size") return {find_option("size"), value, where};
  if (key == "pipe" || key == "write") {
    if (value.empty())
      throw error(fmt::format("{}: the path is empty; give that of a FIFO", where));
    return {find_option("sink"), "fifo:" + value, where};
  }
  if (key == "read") {
    throw error("read=: reading is not built; to pull from an NBD server use nbdcopy(1)");
  }
  if (find_option(key) != nullptr) {
    throw error(fmt::format("{}: unknown parameter; as an option it is --{}", quote(word), key));
  }
  throw error(fmt::format("{}: unknown parameter; known are pipe=, write= and size={}", quote(word),
                          did_you_mean(key, known)));
}

}  // namespace nbdstream::config
