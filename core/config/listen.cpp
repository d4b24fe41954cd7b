// SPDX-License-Identifier: BSD-3-Clause
//
// The addresses of parse.hpp.
#include "config/parse.hpp"
#include "config/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream::config {
namespace {

using kind = listen_address::kind;

constexpr std::size_t longest_host = 255;

std::uint32_t parse_port(std::string_view text, std::int64_t least, std::int64_t most) try {
  return static_cast<std::uint32_t>(parse_integer(text, least, most));
} catch (const error& e) {
  throw error(fmt::format("the port {}", e.what()));
}

void check_host(std::string_view host, std::string_view text) {
  if (host.empty()) {
    throw error(
        fmt::format("{} names no address; write tcp:127.0.0.1:PORT, or tcp:0.0.0.0:PORT "
                    "or tcp:[::]:PORT for every address",
                    quote(text)));
  }
  const bool odd =
      std::any_of(host.begin(), host.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
  if (odd || host.size() > longest_host) {
    throw error(fmt::format("{} names no host", quote(text)));
  }
}

listen_address parse_tcp(std::string_view text) {
  listen_address address;
  address.what = kind::tcp;
  std::string_view host = text.substr(4);
  std::string_view port;
  if (host.starts_with('[')) {
    const auto close = std::min(host.find(']'), host.size() - 1);
    port = host.substr(close + 1);
    host = host.substr(1, close - 1);
    if (text.find(']') == text.npos || !(port.empty() || port.starts_with(':'))) {
      throw error(fmt::format("{} is not an address; write tcp:[::1]:10809", quote(text)));
    }
  } else if (const auto colon = host.rfind(':'); colon != host.npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
    if (host.find(':') != host.npos) {
      throw error(
          fmt::format("{} has too many colons; write an IPv6 address in brackets, as in "
                      "tcp:[::1]:10809",
                      quote(text)));
    }
  }
  check_host(host, text);
  // Taken for an address, "tcp:0" would be open to everybody.
  const bool number = host.find_first_not_of("0123456789") == host.npos;
  if (port.empty() && number) {
    throw error(fmt::format("{} names no address; write tcp:127.0.0.1:{}", quote(text), host));
  }
  address.host = host;
  if (!port.empty()) address.port = parse_port(port.substr(1), 0, 65535);
  return address;
}

}  // namespace

listen_address parse_listen(std::string_view text) {
  listen_address address;
  if (text.starts_with("tcp:")) return parse_tcp(text);
  if (text.starts_with("vsock:")) {
    address.what = kind::vsock;
    address.port = parse_port(text.substr(6), 1, 0xffff'fffe);
    return address;
  }
  if (!text.starts_with("unix:")) {
    throw error(
        fmt::format("{} is not an address; write unix:PATH, unix:@NAME, unix:-, "
                    "tcp:HOST:PORT or vsock:PORT",
                    quote(text)));
  }
  text.remove_prefix(5);
  if (text == "-") return address;
  if (text.empty())
    throw error("\"unix:\" names no socket; write unix:PATH, or unix:- for a private one");
  address.what = kind::unix_path;
  if (text.front() == '@') {
    if (text.size() == 1) throw error("\"unix:@\" names no socket; write unix:@NAME");
    address.what = kind::abstract_unix;
    text.remove_prefix(1);
  }
  address.path = text;
  return address;
}

std::string format_listen(const listen_address& address) {
  switch (address.what) {
    case kind::private_unix: return "unix:-";
    case kind::unix_path: {
      const bool special = address.path == "-" || address.path.starts_with('@');
      return fmt::format("unix:{}{}", special ? "./" : "", address.path);
    }
    case kind::abstract_unix: return fmt::format("unix:@{}", address.path);
    case kind::vsock: return fmt::format("vsock:{}", address.port);
    case kind::tcp: break;
  }
  const bool brackets = address.host.find(':') != std::string::npos;
  return fmt::format("tcp:{}{}{}:{}", brackets ? "[" : "", address.host, brackets ? "]" : "",
                     address.port);
}

listen_address parse_metrics_address(std::string_view text) {
  const bool port_alone =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (port_alone) return parse_tcp(fmt::format("tcp:127.0.0.1:{}", text));
  const auto last = text.find_last_of(":]");
  if (last == text.npos || text[last] == ']') {
    throw error(fmt::format("{} names no port; write 127.0.0.1:PORT, or [::1]:PORT", quote(text)));
  }
  return parse_tcp(fmt::format("tcp:{}", text));
}

std::string format_metrics_address(const listen_address& address) {
  return format_listen(address).substr(std::string_view("tcp:").size());
}

}  // namespace nbdstream::config
