// SPDX-License-Identifier: BSD-3-Clause
#include "config/command_options.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nbdstream::config {
namespace {

using view = std::string_view;
using action = command::action;
using target = option_target;

void set_sink(command_line& line, view value) {
  const auto colon = value.find(':');
  sink_config sink;
  sink.module = value.substr(0, colon);
  if (sink.module.empty()) {
    throw error(fmt::format("{} names no module; write NAME or NAME:ARGUMENT", quote(value)));
  }
  if (colon != view::npos && colon + 1 < value.size()) sink.argument = value.substr(colon + 1);
  line.sink = sink;
}

void add_setting(command_line& line, view value) {
  const auto equals = value.find('=');
  const view key = value.substr(0, equals);
  if (equals == view::npos || key.empty()) {
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

void add_unix(command_line& line, view value) {
  line.listen.push_back(parse_listen(fmt::format("unix:{}", value)));
}

void add_vsock(command_line& line, view value) {
  line.listen.push_back(parse_listen(fmt::format("vsock:{}", value)));
}

void set_port(command_line& line, view value) {
  line.tcp_port = static_cast<std::uint32_t>(parse_integer(value, 0, 65535));
}

/// Accepts an IPv6 address with brackets and without.
void set_address(command_line& line, view value) {
  const bool bare = value.find(':') != view::npos && !value.starts_with('[');
  line.tcp_host =
      parse_listen(fmt::format("tcp:{}{}{}:0", bare ? "[" : "", value, bare ? "]" : "")).host;
}

template <action what>
void set_action(command_line& line, view value) {
  if (line.what && *line.what != what) {
    throw error("there is another option that only prints something; give one of them");
  }
  line.what = what;
  line.dumped_sink = value;
}

void set_checked_sink(command_line& line, view value) {
  set_action<action::check_sink>(line, value);
  set_sink(line, value);
}

[[noreturn]] void refuse_reading(command_line&, view) {
  throw error("reading is not built; to pull from an NBD server use nbdcopy(1)");
}

void ignore(command_line&, view) {}

using group = help_group;
constexpr command_option options[] = {
    {"sink", 0, "NAME[:ARGUMENT]", "", group::sink, target::line, "", set_sink,
     "Where the stream goes: the name of a sink module, or the path of a .so file (with a '/' "
     "in it), and the module's main argument, as in fifo:PATH. Default module: fifo."},
    {"option", 'o', "KEY=VALUE", "", group::sink, target::line, "", add_setting,
     "A further setting of the sink; --dump-sink lists them. Can be repeated.", true},

    {"size", 0, "SIZE", "", group::stream, target::exported, "size", nullptr,
     "Size of the export: 512, 640k, 40G. Without it clients see 2^63 - 2^30 bytes, and the "
     "stream ends after the last byte that a write or zero request covered."},
    {"max-stream", 0, "SIZE", "", group::stream, target::exported, "max-stream", nullptr,
     "Without --size: a request beyond this offset gets ENOSPC and fails the stream. Default: "
     "64T."},
    {"order", 0, "MODE", "", group::stream, target::exported, "order", nullptr,
     "Where a write is held that leaves a gap after the bytes sent so far. strict: nowhere, the "
     "gap is sent as zeroes at once. window: in RAM (nbdcopy). spill: in RAM, and what does not "
     "fit there in an unlinked file (live backup). spool: the whole disk is kept in that file "
     "and sent when it is complete, so clients may write a byte again and read it (qcow2, "
     "mkfs). With the others, a write to bytes that were sent fails the stream. auto, the "
     "default, is spill."},
    {"window", 0, "SIZE", "", group::stream, target::exported, "window", nullptr,
     "window, spill: RAM for writes that are held. Default: 64M."},
    {"stall", 0, "TIME", "", group::stream, target::exported, "stall", nullptr,
     "window, spill: how long a full window waits until its gap is filled. After that the gap "
     "is sent as zeroes, or with --gaps refuse the stream fails. Default: 2s."},
    {"spill-directory", 0, "DIR", "", group::stream, target::exported, "spill-directory", nullptr,
     "spill, spool: the directory of the file. Default: $TMPDIR, or else /var/tmp."},
    {"spill-limit", 0, "SIZE", "", group::stream, target::exported, "spill-limit", nullptr,
     "spill, spool: how many bytes the file may hold. Default: as many as the disk has room "
     "for."},
    {"gaps", 0, "allow|refuse", "", group::stream, target::exported, "gaps", nullptr,
     "Whether bytes that no write or zero request covered are zeroes (allow) or make the stream "
     "incomplete (refuse). Default: refuse with --size and without --run, except with --order "
     "spool; else allow."},
    {"no-pad", 0, "", "false", group::stream, target::exported, "pad", nullptr,
     "End the stream after the last byte that a request covered, even with --size."},
    {"format", 0, "raw|rbd-diff", "", group::stream, target::exported, "format", nullptr,
     "What the stream consists of. raw, the default: the bytes of the disk in their order. "
     "rbd-diff: records (\"rbd diff v1\") with their offsets, so clients may write in any order "
     "and may write a byte again, and nothing is held; the last record is an end record, which "
     "an aborted stream does not have. nbdstream apply and rbd import-diff read it. Needs "
     "--size."},
    {"diff-from", 0, "NAME", "", group::stream, target::exported, "diff-from", nullptr,
     "rbd-diff: an incremental backup, of the changes since the snapshot NAME. Bytes that no "
     "request covered have not changed."},
    {"diff-to", 0, "NAME", "", group::stream, target::exported, "diff-to", nullptr,
     "rbd-diff: the name of the snapshot that this backup makes; give it to the next backup as "
     "--diff-from."},
    {"expect-bytes", 0, "N", "", group::stream, target::exported, "expect-bytes", nullptr,
     "With --diff-from: requests must cover exactly N bytes, each counted once, or the stream "
     "is aborted. For QEMU's backup job N is the \"count\" of its dirty bitmap."},
    {"streams", 0, "N", "", group::stream, target::exported, "streams", nullptr,
     "How many streams to serve before exiting; 0: no limit. Default: 1, which --run requires."},
    {"end", 0, "goodbye|told", "", group::stream, target::exported, "end", nullptr,
     "How the end of a stream is decided. goodbye, the default: by how its clients disconnect, "
     "and by the exit status of --run. told: by a commit or abort through --control, from a "
     "program that knows whether the job has succeeded; see nbdstream ctl."},
    {"receipt", 0, "FILE", "", group::stream, target::exported, "receipt", nullptr,
     "Write FILE when the stream is committed, and only then: what was sent, when, and its "
     "digest. nbdstream verify compares a stream with it."},
    {"digest", 0, "sha256|blake2b|xxh3", "", group::stream, target::exported, "digest", nullptr,
     "Compute a digest of the stream. Default: sha256 with --receipt, else none."},
    {"compress", 0, "zstd[:LEVEL]", "", group::stream, target::exported, "compress", nullptr,
     "Compress the stream before it goes to the sink, in zstd's seekable format: frames of 4 "
     "MiB, and a table at the end, which an aborted stream does not have. LEVEL is from -7 "
     "(fast) to 19. Default: 3."},
    {"settle", 0, "TIME", "", group::stream, target::exported, "settle", nullptr,
     "Without --run: how long a stream of nothing but zeroes waits for another connection "
     "before it ends. Default: 1s."},
    {"export-name", 'e', "NAME", "", group::stream, target::exported, "name", nullptr,
     "Name of the export. Default: the empty name. Clients ask for the empty name by default, "
     "and also get an export of any other name if it is the only one."},
    {"description", 0, "TEXT", "", group::stream, target::exported, "description", nullptr,
     "Description of the export that clients can read."},

    {"unix", 'U', "PATH|@NAME|-", "", group::listen, target::line, "", add_unix,
     "Listen on a Unix socket. A socket that an earlier server left behind is replaced; one "
     "that is in use is an error. @NAME: in Linux's abstract namespace. '-': in a new private "
     "directory, which is the default with --run."},
    {"unix-mode", 0, "MODE", "", group::listen, target::server, "unix-mode", nullptr,
     "Permissions of the socket of --unix PATH, in octal, as in 0660; clients need write "
     "permission. Default: 0777 without the bits of umask."},
    {"port", 'p', "N", "", group::listen, target::line, "", set_port,
     "Listen on this TCP port; 0: the kernel chooses one. Default: 10809."},
    {"ipaddr", 'i', "ADDRESS", "", group::listen, target::line, "", set_address,
     "Listen on this TCP address. Default: 127.0.0.1."},
    {"vsock", 0, "N", "", group::listen, target::line, "", add_vsock, "Listen on this vsock port."},
    {"single", 's', "", "true", group::listen, target::server, "single", nullptr,
     "Serve one connection on stdin and stdout."},
    {"tls", 0, "off|on|require", "", group::tls, target::server, "tls", nullptr,
     "Whether clients may (on) or must (require) use TLS, as in nbdkit-tls(1). Default: on with "
     "--tls-certificates or --tls-psk, else off."},
    {"tls-certificates", 0, "DIR", "", group::tls, target::server, "tls-certificates", nullptr,
     "Directory with ca-cert.pem, server-cert.pem, server-key.pem and, optionally, ca-crl.pem. "
     "Default: /etc/pki/nbdkit for root; ~/.pki/nbdkit or ~/.config/pki/nbdkit for other users."},
    {"tls-psk", 0, "FILE", "", group::tls, target::server, "tls-psk", nullptr,
     "File with pre-shared keys, which replace certificates: lines of USER:HEXKEY, as "
     "psktool(1) writes them."},
    {"tls-verify-peer", 0, "", "true", group::tls, target::server, "tls-verify-peer", nullptr,
     "Refuse clients without a certificate that ca-cert.pem has signed. Use it with --tls "
     "require: clients without TLS need no certificate."},

    {"run", 0, "COMMAND", "", group::run, target::server, "run", nullptr,
     "Run COMMAND in a shell, and exit when it ends. Its exit status decides whether the stream "
     "is complete. It may use $uri and $nbd (the same), $unixsocket, $port, $exportname, $tls."},
    {"run-shell", 0, "PATH", "", group::run, target::server, "run-shell", nullptr,
     "The shell of --run. If it is bash, it runs with pipefail: COMMAND fails if any part of a "
     "pipe in it fails. Default: /bin/sh, with which only the last part of a pipe counts."},
    {"run-grace", 0, "TIME", "", group::run, target::server, "run-grace", nullptr,
     "How long to read the remaining requests of its connections after COMMAND has ended. "
     "Default: 10s."},
    {"grace", 0, "TIME", "", group::run, target::server, "grace", nullptr,
     "How long the command, a sink and clients get to stop before they are forced to. Default: "
     "5s."},
    {"handshake-timeout", 0, "TIME", "", group::run, target::server, "handshake-timeout", nullptr,
     "How long the handshake of a client may take. Default: 10s."},
    {"payload-timeout", 0, "TIME", "", group::run, target::server, "payload-timeout", nullptr,
     "How long a write of a client may pause in its data before the stream is aborted. The same "
     "limit holds for one write to the file of spill or spool. Default: 60s."},
    {"client-timeout", 0, "TIME", "", group::run, target::server, "client-timeout", nullptr,
     "How long to wait for the first write of a client before exiting with status 1. Default: "
     "no limit."},
    {"data-path", 0, "auto|copy", "", group::run, target::server, "data-path", nullptr,
     "auto: the kernel moves the data where it can; copy: nbdstream always copies them through "
     "a buffer."},
    {"pidfile", 'P', "PATH", "", group::run, target::server, "pidfile", nullptr,
     "Write the process ID to PATH as soon as clients can connect, and remove PATH at the end. "
     "If PATH exists, it must be a regular file, and is replaced."},
    {"exit-with-parent", 0, "", "true", group::run, target::server, "exit-with-parent", nullptr,
     "Stop when the parent process ends."},
    {"foreground", 'f', "", "true", group::run, target::line, "", ignore,
     "Ignored, for scripts written for nbdkit: nbdstream always runs in the foreground."},

    {"progress", 0, "FD", "auto", group::report, target::server, "progress", nullptr,
     "Show on stderr how far the streams are: on a terminal one line for each export, which is "
     "updated; else a line every 10 s. With =FD, for programs: lines of N/100 on that "
     "descriptor, as nbdcopy writes them. SIGUSR1 logs the progress once, at any time."},
    {"control", 0, "PATH", "", group::report, target::server, "control", nullptr,
     "Listen for HTTP on this Unix socket: status, metrics, a status page, and commit, abort "
     "and stop. See nbdstream ctl."},
    {"control-mode", 0, "MODE", "", group::report, target::server, "control-mode", nullptr,
     "Permissions of the socket of --control, in octal. Default: 0600, only this user."},
    {"metrics", 0, "[HOST:]PORT", "", group::report, target::server, "metrics", nullptr,
     "Listen for HTTP on TCP, read-only: /metrics for Prometheus, /v1/status, and the status "
     "page. Default HOST: 127.0.0.1."},
    {"metrics-file", 0, "FILE", "", group::report, target::server, "metrics-file", nullptr,
     "Write the metrics to FILE every 10 s and at the end, for node_exporter's textfile "
     "collector."},
    {"log", 0, "stderr|journal", "", group::report, target::server, "log", nullptr,
     "Where the log goes. Default: the journal of systemd if stderr is connected to it and "
     "--log-format is text, else stderr. In the journal each entry has fields, such as "
     "NBDSTREAM_EXPORT."},
    {"log-level", 0, "LEVEL", "", group::report, target::server, "log-level", nullptr,
     "error, warning, info or debug. Default: info."},
    {"log-format", 0, "text|json", "", group::report, target::server, "log-format", nullptr,
     "text: lines for people; json: one JSON object for each line. Default: text."},
    {"verbose", 'v', "", "debug", group::report, target::server, "log-level", nullptr,
     "The same as --log-level debug."},

    {"config", 0, "FILE", "", group::other, target::line, "", ignore,
     "Read FILE (TOML), see nbdstream.toml(5). Options replace what is in FILE."},
    {"list-sinks", 0, "", "true", group::other, target::line, "", set_action<action::list_sinks>,
     "List the sink modules that are installed, and exit."},
    {"dump-sink", 0, "NAME", "", group::other, target::line, "", set_action<action::dump_sink>,
     "Show the description and the settings of a sink module, and exit."},
    {"check-sink", 0, "NAME[:ARGUMENT]", "", group::other, target::line, "", set_checked_sink,
     "Check a sink module, such as one of your own, in every state of its life; print a line "
     "for each check (TAP), and exit. NAME, ARGUMENT and --option are as for a stream. --grace "
     "is how long a call may take. A reader of the streams must be running."},
    {"dump-config", 0, "", "true", group::other, target::line, "", set_action<action::dump_config>,
     "Print the configuration in effect as TOML that --config can read, and exit."},
    {"readonly", 'r', "", "true", group::other, target::line, "", refuse_reading,
     "Refused, and read=PATH too: nbdstream cannot read. To pull from an NBD server use "
     "nbdcopy(1)."},
    {"version", 'V', "", "true", group::other, target::line, "", set_action<action::version>,
     "Print the version, those of the ABIs, what is built in and the sinks that are found, and "
     "exit."},
    {"help", 'h', "", "true", group::other, target::line, "", set_action<action::help>,
     "Print this text, and exit."},
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
  constexpr std::array<view, 3> known{"pipe", "write", "size"};
  const auto equals = word.find('=');
  if (equals == view::npos || equals == 0) {
    throw error(
        fmt::format("{} is neither an option nor KEY=VALUE; where the stream goes is given "
                    "as --sink NAME:ARGUMENT",
                    quote(word)));
  }
  const view key = word.substr(0, equals);
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
