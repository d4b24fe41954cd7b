// SPDX-License-Identifier: BSD-3-Clause
#include "config/validate.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"
#include "seekable/format.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nbdstream::config {
namespace {

using kind = listen_address::kind;

constexpr std::size_t longest_string = 4096;  // of the NBD protocol
constexpr std::size_t longest_socket = sizeof(sockaddr_un::sun_path) - 1;
/// So that a window and what may exceed it add up within 64 bits, also signed ones.
constexpr std::uint64_t largest_window = std::uint64_t{1} << 62;

void complete(configuration& config, bool socket_activation) {
  server_config& server = config.server;
  if (config.exports.empty()) config.exports.emplace_back();
  if (!server.listen.empty() || server.single || socket_activation) return;
  listen_address address;
  if (server.run.empty()) {
    address.what = kind::tcp;
    address.host = "127.0.0.1";
  }
  server.listen.push_back(std::move(address));
}

void check_unix(const server_config& server) {
  const auto is = [](kind what) { return [what](const auto& a) { return a.what == what; }; };
  if (server.unix_mode && std::ranges::none_of(server.listen, is(kind::unix_path))) {
    throw error(
        "--unix-mode is for the socket of --unix PATH; leave it out: an abstract socket has no "
        "permissions, a private one is this user's only, and systemd has SocketMode=");
  }
  if (!server.run.empty() && !server.listen.empty() &&
      std::ranges::all_of(server.listen, is(kind::abstract_unix))) {
    throw error(
        fmt::format("--run: there is no NBD URI for {}, so COMMAND could not connect; listen on "
                    "another address too, such as --unix -",
                    quote(format_listen(server.listen.front()))));
  }
}

void check_addresses(const server_config& server) {
  for (auto it = server.listen.begin(); it != server.listen.end(); ++it) {
    const bool path = it->what == kind::unix_path || it->what == kind::abstract_unix;
    if (path && it->path.size() > longest_socket) {
      throw error(
          fmt::format("{}: the path of a Unix socket has at most {} bytes, this one has "
                      "{}; use a shorter one, or a relative one",
                      quote(it->path), longest_socket, it->path.size()));
    }
    const bool any_port = it->what == kind::tcp && it->port == 0;
    if (!any_port && std::find(server.listen.begin(), it, *it) != it) {
      throw error(fmt::format("{} is given twice; give it once", quote(format_listen(*it))));
    }
  }
}

void check_tls(const server_config& server) {
  if (!server.tls_verify_peer) return;
  if (effective_tls(server) == tls_mode::off) {
    throw error("--tls-verify-peer is for TLS; leave it out, or give --tls require");
  }
  if (!server.tls_psk.empty()) {
    throw error(
        "--tls-verify-peer checks certificates, and clients with pre-shared keys have none; leave "
        "out --tls-verify-peer or --tls-psk");
  }
}

void check_shell(const server_config& server) {
  if (server.run.empty()) return;
  const char* const shell = server.run_shell.c_str();
  struct stat found {};
  const int fault = ::stat(shell, &found) != 0   ? errno
                    : !S_ISREG(found.st_mode)    ? EACCES
                    : ::access(shell, X_OK) != 0 ? errno
                                                 : 0;
  if (fault == 0) return;
  throw error(fmt::format("--run-shell {}: {}; give the path of a shell, as in /bin/bash",
                          quote(server.run_shell), std::strerror(fault)));
}

void check_server(const server_config& server, bool socket_activation) {
  check_tls(server);
  if (server.single && !server.listen.empty()) {
    throw error(
        fmt::format("--single serves stdin and stdout and cannot listen as well; leave out "
                    "{}, or --single",
                    quote(format_listen(server.listen.front()))));
  }
  if (server.single && !server.run.empty()) {
    throw error("--single and --run exclude each other; leave out one of them");
  }
  if (server.single && socket_activation) {
    throw error(
        "--single and socket activation (LISTEN_FDS) exclude each other; leave out --single: "
        "nbdcopy and nbdinfo pass a listening socket");
  }
  if (server.single && server.progress_fd && *server.progress_fd < 2) {
    throw error(
        fmt::format("--progress: with --single descriptor {} is the connection; write "
                    "--progress=2",
                    *server.progress_fd));
  }
  for (const auto& [name, time] :
       {std::pair("--handshake-timeout", server.handshake_timeout),
        std::pair("--payload-timeout", server.payload_timeout),
        std::pair("--client-timeout", server.client_timeout.value_or(nanoseconds(1)))}) {
    if (time <= nanoseconds::zero()) {
      throw error(fmt::format("{}: no client can be that fast; give more than 0", name));
    }
  }
  if (server.grace <= nanoseconds::zero()) {
    throw error("--grace: nothing can end in no time; give more than 0");
  }
  if (server.control.size() > longest_socket) {
    throw error(fmt::format("--control: the path of a Unix socket has at most {} bytes, {} has {}",
                            longest_socket, quote(server.control), server.control.size()));
  }
  if (server.control.empty() && server.control_mode != server_config().control_mode) {
    throw error("--control-mode is for the socket of --control; leave it out, or give --control");
  }
  check_addresses(server);
  check_unix(server);
  check_shell(server);
}

/// A string that the protocol carries.
void check_string(std::string_view text, std::string_view what) {
  if (text.size() > longest_string) {
    throw error(fmt::format("the {} {} has {} bytes; NBD allows at most {}", what, quote(text),
                            text.size(), longest_string));
  }
  if (!valid_utf8(text)) {
    throw error(fmt::format("the {} {} is not valid UTF-8, which NBD requires", what, quote(text)));
  }
  if (text.find('\0') != text.npos) {
    throw error(fmt::format("the {} {} has a NUL in it; leave it out", what, quote(text)));
  }
}

void check_window(const export_config& e, std::string_view name) {
  if (e.window > largest_window) {
    throw error(fmt::format("{}: --window {} is too large; it is at most {} (2^62)", name, e.window,
                            largest_window));
  }
  // With spill it has a meaning: everything that is ahead goes to the file.
  if (e.window == 0 && e.order == order_mode::window) {
    throw error(
        fmt::format("{}: --window 0 has no room for data that is ahead of the stream; give more, "
                    "or use --order strict",
                    name));
  }
}

void check_spill_directory(const export_config& e, std::string_view name) {
  const std::string directory = effective_spill_directory(e);
  const std::string itself = directory + "/.";  // fails for what is no directory
  if (::access(itself.c_str(), W_OK | X_OK) == 0) return;
  const char* const why = std::strerror(errno);
  if (!e.spill_directory.empty()) {
    throw error(fmt::format("{}: --spill-directory {}: {}; give a directory that can be written",
                            name, quote(directory), why));
  }
  throw error(
      fmt::format("{}: the spill file would be in {} ($TMPDIR, or else /var/tmp): {}; give a "
                  "directory that can be written with --spill-directory",
                  name, quote(directory), why));
}

void check_spill(const export_config& e, std::string_view name) {
  const bool spills = e.order == order_mode::spill || e.order == order_mode::spool;
  for (const auto& [option, given] : {std::pair("--spill-directory", !e.spill_directory.empty()),
                                      std::pair("--spill-limit", e.spill_limit.has_value())}) {
    if (given && !spills && e.order != order_mode::automatic) {
      throw error(
          fmt::format("{}: {} is for --order spill and spool; leave it out, or use one "
                      "of them",
                      name, option));
    }
  }
  if (e.spill_limit == 0) {
    throw error(
        fmt::format("{}: --spill-limit 0 has no room for anything; give more, or use --order "
                    "window",
                    name));
  }
  // Where nobody named it: a client that auto is used for may write in order and never need it.
  if (spills || !e.spill_directory.empty()) check_spill_directory(e, name);
}

void check_snapshot(const std::optional<std::string>& snapshot, std::string_view option,
                    std::string_view name) {
  if (!snapshot) return;
  if (snapshot->size() > longest_string) {
    throw error(fmt::format("{}: {} has {} bytes; a name has at most {}", name, option,
                            snapshot->size(), longest_string));
  }
  if (!valid_utf8(*snapshot) || snapshot->find('\0') != snapshot->npos) {
    throw error(fmt::format("{}: {} {} is not valid UTF-8, or has a NUL in it; give another name",
                            name, option, quote(*snapshot)));
  }
}

/// An option that has no meaning in a stream of records.
void refuse_with_diff(bool given, std::string_view option, std::string_view why,
                      std::string_view name) {
  if (!given) return;
  throw error(fmt::format("{}: {} has no meaning with --format rbd-diff, {}; leave it out", name,
                          option, why));
}

void check_format(const export_config& e, std::string_view name) {
  if (e.format == stream_format::raw) {
    for (const auto& [option, given] : {std::pair("--diff-from", e.diff_from.has_value()),
                                        std::pair("--diff-to", e.diff_to.has_value()),
                                        std::pair("--expect-bytes", e.expect_bytes.has_value())}) {
      if (!given) continue;
      throw error(fmt::format("{}: {} is for --format rbd-diff; leave it out, or give that format",
                              name, option));
    }
    return;
  }
  if (!e.size) {
    throw error(
        fmt::format("{}: --format rbd-diff needs the size of the disk; give it with --size", name));
  }
  const auto* const any_order = "in which writes come in any order and nothing is held";
  refuse_with_diff(e.order != order_mode::automatic, "--order", any_order, name);
  refuse_with_diff(!e.spill_directory.empty(), "--spill-directory", any_order, name);
  refuse_with_diff(e.spill_limit.has_value(), "--spill-limit", any_order, name);
  refuse_with_diff(!e.pad, "--no-pad", "which contains the size of the disk", name);
  check_snapshot(e.diff_from, "--diff-from", name);
  check_snapshot(e.diff_to, "--diff-to", name);
  if (!e.diff_from && e.expect_bytes) {
    throw error(fmt::format(
        "{}: --expect-bytes is for an incremental stream; leave it out, or give --diff-from",
        name));
  }
  if (!e.diff_from) return;
  if (e.gaps) {
    throw error(fmt::format(
        "{}: --gaps has no meaning with --diff-from, because bytes that no request covered have "
        "not changed; leave it out; --expect-bytes checks whether all bytes came",
        name));
  }
  if (e.diff_from == e.diff_to) {
    throw error(fmt::format("{}: --diff-from and --diff-to are both {}; give two names", name,
                            quote(*e.diff_from)));
  }
  if (e.streams != 1) {
    throw error(
        fmt::format("{}: only one stream can begin from --diff-from {}; leave out --streams", name,
                    quote(*e.diff_from)));
  }
}

void check_compression(const export_config& e, std::string_view name) {
  const bool fits = e.size.value_or(0) <= seekable::longest_stream;
  if (!e.zstd_level || e.format != stream_format::raw || fits) return;
  throw error(fmt::format(
      "{}: --compress zstd is for streams of at most {}, and --size is {}; leave it out, or give "
      "a smaller size",
      name, format_size(seekable::longest_stream), *e.size));
}

void check_told(const export_config& e, const server_config& server, std::string_view name) {
  if (e.end != end_policy::told || !server.control.empty()) return;
  throw error(fmt::format(
      "{}: --end told needs --control PATH, through which the commit or abort comes", name));
}

void check_export(const export_config& e, const server_config& server) {
  const std::string name = fmt::format("export {}", quote(e.name));
  check_string(e.name, "export name");
  check_string(e.description, "description");
  if (e.size && *e.size > unknown_size) {
    throw error(fmt::format("{}: --size {} is too large; QEMU opens at most {} (2^63 - 2^30)", name,
                            *e.size, unknown_size));
  }
  if (e.size == 0 && server.run.empty()) {
    throw error(
        fmt::format("{}: --size 0 leaves nothing to write, so only --run could end the stream; "
                    "give --run, or another --size",
                    name));
  }
  if (e.max_stream == 0 || e.max_stream > unknown_size) {
    throw error(fmt::format("{}: --max-stream {} is out of range; it is from 1 to {}", name,
                            e.max_stream, unknown_size));
  }
  if (e.size && e.max_stream != export_config().max_stream) {
    throw error(
        fmt::format("{}: --max-stream is for streams of unknown length; leave it out, or "
                    "--size",
                    name));
  }
  if (!server.run.empty() && e.streams != 1) {
    throw error(fmt::format("{}: --run serves one stream; leave out --streams {}, or --run", name,
                            e.streams));
  }
  check_told(e, server, name);
  check_format(e, name);
  check_compression(e, name);
  check_window(e, name);
  check_spill(e, name);
}

void check_receipts(const std::vector<export_config>& exports) {
  std::vector<std::string_view> paths;
  for (const auto& e : exports) {
    if (!e.receipt.empty()) paths.push_back(e.receipt);
  }
  std::ranges::sort(paths);
  const auto twice = std::ranges::adjacent_find(paths);
  if (twice == paths.end()) return;
  throw error(
      fmt::format("--receipt {} is given for two exports; give each its own file", quote(*twice)));
}

void check_names(const std::vector<export_config>& exports) {
  std::vector<std::string_view> names;
  names.reserve(exports.size());
  for (const auto& e : exports) names.push_back(e.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return;
  throw error(fmt::format("there are two exports {}; give each its own name", quote(*twice)));
}

/// What proves that a stream is complete is the exit status of --run, or every byte of a known
/// size having been named.
void warn_of_weak_ends(const configuration& config, std::vector<std::string>& warnings) {
  if (!config.server.run.empty()) return;
  for (const auto& e : config.exports) {
    if (e.end == end_policy::told) continue;
    if (e.diff_from) {
      if (e.expect_bytes) continue;
      warnings.push_back(fmt::format(
          "export {}: with --diff-from and without --expect-bytes and --run only the clean "
          "disconnect of the client (NBD_CMD_DISC) tells a complete stream from a broken one",
          quote(e.name)));
    } else if (!e.size) {
      warnings.push_back(
          fmt::format("export {}: without --size and --run only the clean disconnect of the client "
                      "(NBD_CMD_DISC) tells a complete stream from a broken one",
                      quote(e.name)));
    } else if (effective_gaps(e, config.server) == gaps_policy::allow) {
      warnings.push_back(
          fmt::format("export {}: with --gaps allow and without --run only the clean disconnect of "
                      "the client (NBD_CMD_DISC) tells a complete stream from a broken one",
                      quote(e.name)));
    }
  }
}

void warn_of_weak_tls(const server_config& server, std::vector<std::string>& warnings) {
  if (server.tls_verify_peer && effective_tls(server) == tls_mode::on) {
    warnings.emplace_back(
        "--tls on also admits clients without TLS, whose certificates --tls-verify-peer cannot "
        "check; give --tls require");
  }
}

}  // namespace

std::vector<std::string> complete_and_validate(configuration& config, bool socket_activation) {
  check_server(config.server, socket_activation);
  complete(config, socket_activation);
  for (const auto& e : config.exports) check_export(e, config.server);
  check_names(config.exports);
  check_receipts(config.exports);
  std::vector<std::string> warnings;
  warn_of_weak_ends(config, warnings);
  warn_of_weak_tls(config.server, warnings);
  return warnings;
}

}  // namespace nbdstream::config
