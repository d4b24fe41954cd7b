// SPDX-License-Identifier: BSD-3-Clause
#include "lease.hpp"

#include <openssl/crypto.h>

#include <array>
#include <boost/json.hpp>
#include <boost/json/src.hpp>  // the library itself, in this file alone
#include <cerrno>
#include <cstdlib>
#include <nbdstream/sink.hpp>

namespace nbdstream::s3 {
namespace {

namespace json = boost::json;

constexpr std::size_t longest_answer = 32 << 10;  // bytes

/// Memory for a parser, which is wiped: it has secrets in it.
struct wiped_memory {
  std::array<unsigned char, 4 * longest_answer> bytes;
  wiped_memory() = default;
  wiped_memory(const wiped_memory&) = delete;
  wiped_memory& operator=(const wiped_memory&) = delete;
  ~wiped_memory() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

std::string text_of(const json::object& from, std::string_view name) {
  const json::value* const found = from.if_contains(name);
  if (!found || !found->is_string()) return {};
  const json::string& text = found->get_string();
  return {text.begin(), text.end()};
}

bool is_printable(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~') return false;
  return true;
}

}  // namespace

void wipe(std::string& secret) noexcept {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

std::optional<std::time_t> parse_time(const std::string& text) {
  std::tm utc{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (!rest) return {};
  if (*rest == '.')
    while (*++rest >= '0' && *rest <= '9') continue;
  const std::time_t time = ::timegm(&utc);
  if (std::string_view(rest) == "Z") return time;
  const std::string_view offset(rest);
  const auto digit = [&](std::size_t at) { return offset[at] >= '0' && offset[at] <= '9'; };
  const bool whole = offset.size() == 6 && (offset[0] == '+' || offset[0] == '-') && digit(1) &&
                     digit(2) && offset[3] == ':' && digit(4) && digit(5);
  if (!whole) return {};
  const std::time_t minutes =
      (offset[1] - '0') * 600 + (offset[2] - '0') * 60 + (offset[4] - '0') * 10 + (offset[5] - '0');
  return time - (offset[0] == '+' ? 60 : -60) * minutes;
}

lease parse_lease(std::string_view text, const std::string& from) {
  const auto refuse = [&](const char* what) -> sink_error { return {EACCES, from + " " + what}; };
  if (text.size() > longest_answer) throw refuse("gives too much for credentials");
  const auto memory = std::make_unique<wiped_memory>();
  json::monotonic_resource resource(memory->bytes.data(), memory->bytes.size());
  json::parse_options strict;
  strict.max_depth = 8;
  json::error_code failed;
  const json::value value = json::parse(text, failed, &resource, strict);
  if (failed || !value.is_object())
    throw refuse("gives no credentials, as it gives no JSON object");
  const json::object& object = value.get_object();
  const std::string code = text_of(object, "Code");
  if (!code.empty() && code != "Success") throw refuse("says that it has no credentials now");

  lease out;
  out.who.access_key = text_of(object, "AccessKeyId");
  out.who.secret_key = text_of(object, "SecretAccessKey");
  out.who.session_token = text_of(object, "SessionToken");
  if (out.who.session_token.empty()) out.who.session_token = text_of(object, "Token");
  if (out.who.access_key.empty() || out.who.secret_key.empty())
    throw refuse("gives no AccessKeyId, or no SecretAccessKey");
  if (!is_printable(out.who.access_key) || !is_printable(out.who.session_token))
    throw refuse("gives credentials with characters that cannot be sent");
  if (const std::string until = text_of(object, "Expiration"); !until.empty()) {
    out.expires = parse_time(until);
    if (!out.expires) throw refuse("gives an Expiration that is no time");
  }
  return out;
}

}  // namespace nbdstream::s3
