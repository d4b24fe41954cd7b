// SPDX-License-Identifier: BSD-3-Clause
#include "config/validate.hpp"

#include "config/parse.hpp"
#include "config/text.hpp"

#include <sys/un.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream::config {
namespace {

using kind = listen_address::kind;

constexpr std::size_t longest_string = 4096;  // of the NBD protocol
constexpr std::size_t longest_socket = sizeof(sockaddr_un::sun_path) - 1;

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

void check_addresses(const server_config& server) {
  for (auto it = server.listen.begin(); it != server.listen.end(); ++it) {
    if (it->what == kind::unix_path && it->path.size() > longest_socket) {
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

void check_server(const server_config& server, bool socket_activation) {
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
  for (const auto& [name, time] : {std::pair("--handshake-timeout", server.handshake_timeout),
                                   std::pair("--payload-timeout", server.payload_timeout)}) {
    if (time <= nanoseconds::zero()) {
      throw error(fmt::format("{}: no client can be that fast; give more than 0", name));
    }
  }
  if (server.grace <= nanoseconds::zero()) {
    throw error("--grace: nothing can end in no time; give more than 0");
  }
  check_addresses(server);
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

void check_export(const export_config& e, const server_config& server) {
  const std::string name = fmt::format("export {}", quote(e.name));
  check_string(e.name, "export name");
  check_string(e.description, "description");
  if (e.size && *e.size > unknown_size) {
    throw error(fmt::format("{}: --size {} is too large; QEMU opens at most {} (2^63 - 2^30)", name,
                            *e.size, unknown_size));
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
}

void check_names(const std::vector<export_config>& exports) {
  std::vector<std::string_view> names;
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
    if (!e.size) {
      warnings.push_back(fmt::format(
          "export {}: without --size and --run the client's goodbye is all that tells a complete "
          "stream from a broken one",
          quote(e.name)));
    } else if (effective_gaps(e, config.server) == gaps_policy::allow) {
      warnings.push_back(fmt::format(
          "export {}: with --gaps allow and without --run the client's goodbye is all that tells "
          "a complete stream from a broken one",
          quote(e.name)));
    }
  }
}

}  // namespace

std::vector<std::string> complete_and_validate(configuration& config, bool socket_activation) {
  check_server(config.server, socket_activation);
  complete(config, socket_activation);
  for (const auto& e : config.exports) check_export(e, config.server);
  check_names(config.exports);
  std::vector<std::string> warnings;
  warn_of_weak_ends(config, warnings);
  return warnings;
}

}  // namespace nbdstream::config
