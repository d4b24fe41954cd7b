// SPDX-License-Identifier: BSD-3-Clause
#include "control/local_name.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

namespace nbdstream::control {
namespace {

bool equal_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_numeric(int family, std::string_view text) {
  in6_addr room{};
  // inet_pton() would stop at a NUL, and call the rest nothing.
  return text.find('\0') == text.npos && ::inet_pton(family, std::string(text).c_str(), &room) == 1;
}

}  // namespace

bool is_local_name(std::string_view authority, std::string_view ours) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == authority.npos) return false;
    const auto rest = authority.substr(end + 1);
    const bool port_or_none = rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
    return port_or_none && is_numeric(AF_INET6, authority.substr(1, end - 1));
  }
  const auto colon = authority.find(':');
  if (colon != authority.npos && !is_port(authority.substr(colon + 1))) return false;
  const auto host = authority.substr(0, colon);
  if (host.empty()) return false;
  return is_numeric(AF_INET, host) || equal_but_for_case(host, "localhost") ||
         equal_but_for_case(host, ours);
}

bool is_same_origin(std::string_view origin, std::string_view authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    return !authority.empty() && equal_but_for_case(origin.substr(scheme.size()), authority);
  }
  return false;
}

}  // namespace nbdstream::control
