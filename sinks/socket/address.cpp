// SPDX-License-Identifier: BSD-3-Clause
#include "address.hpp"

#include <netdb.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <nbdstream/sink.hpp>

namespace nbdstream::socket {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw sink_error(EINVAL, "the address '" + std::string(text) + "' " + std::string(why));
}

bool starts_with_scheme(std::string_view text, std::string_view scheme) {
  return text.starts_with(scheme) && text.substr(scheme.size()).starts_with(':');
}

bool is_port(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= 65535;
}

address parse_tcp(std::string_view text, std::string_view rest) {
  const bool bracketed = rest.starts_with('[');
  const std::size_t host_end = bracketed ? rest.find(']') : rest.rfind(':');
  if (bracketed && host_end == std::string_view::npos) refuse(text, "lacks the closing ']'");
  const std::string_view host = bracketed ? rest.substr(1, host_end - 1) : rest.substr(0, host_end);
  std::string_view port = host_end == std::string_view::npos ? "" : rest.substr(host_end);
  if (bracketed) port.remove_prefix(1);
  if (host.empty()) refuse(text, "lacks the host: write tcp://HOST:PORT");
  if (!bracketed && host.find(':') != std::string_view::npos)
    refuse(text, "needs brackets around an IPv6 address: write tcp://[ADDRESS]:PORT");
  if (port.size() < 2 || port.front() != ':') refuse(text, "lacks the port: write tcp://HOST:PORT");
  port.remove_prefix(1);
  if (!is_port(port)) refuse(text, "needs a port between 1 and 65535 behind its last ':'");
  return {{}, std::string(host), std::string(port)};
}

address parse_path(std::string_view text, std::string_view path) {
  if (path.empty()) refuse(text, "is empty: write tcp://HOST:PORT or unix:///PATH");
  (void)medium::unix_address(std::string(path));
  return {std::string(path), {}, {}};
}

}  // namespace

address parse_address(std::string_view text) {
  constexpr std::string_view tcp = "tcp://", unix_scheme = "unix://";
  if (text.starts_with(tcp)) return parse_tcp(text, text.substr(tcp.size()));
  if (text.starts_with(unix_scheme)) {
    const std::string_view path = text.substr(unix_scheme.size());
    if (!path.starts_with('/')) refuse(text, "needs an absolute path: write unix:///PATH");
    return parse_path(text, path);
  }
  if (text.find("://") != std::string_view::npos)
    refuse(text, "has an unknown scheme: tcp://HOST:PORT and unix:///PATH are known");
  if (starts_with_scheme(text, "tcp")) refuse(text, "lacks '//': write tcp://HOST:PORT");
  if (starts_with_scheme(text, "unix")) refuse(text, "lacks '//': write unix:///PATH");
  const std::size_t colon = text.rfind(':');
  if (text.find('/') == std::string_view::npos && colon != std::string_view::npos &&
      is_port(text.substr(colon + 1)))
    refuse(text, "reads like a host and a port: write tcp:// before it, or ./ if it is a path");
  return parse_path(text, text);
}

std::vector<medium::socket_address> resolve(const address& where) {
  if (!where.path.empty()) return {medium::unix_address(where.path)};
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int status = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &wanted, &list))
    throw sink_error(EHOSTUNREACH, where.host + ": cannot be looked up: " + ::gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<medium::socket_address> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    medium::socket_address& to = found.emplace_back();
    std::memcpy(&to.storage, entry->ai_addr, entry->ai_addrlen);
    to.length = entry->ai_addrlen;
  }
  return found;
}

}  // namespace nbdstream::socket
