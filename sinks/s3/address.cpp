// SPDX-License-Identifier: BSD-3-Clause
#include "address.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nbdstream/sink.hpp>

#include "sign.hpp"

namespace nbdstream::s3 {
namespace {

constexpr std::size_t longest_key = 1024;  // bytes; of S3

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw sink_error(EINVAL, "'" + std::string(text) + "' " + std::string(why));
}

bool is_alphanumeric(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool consists_of(std::string_view text, std::string_view punctuation) noexcept {
  return std::ranges::all_of(text, [&](char c) {
    return is_alphanumeric(c) || punctuation.find(c) != std::string_view::npos;
  });
}

/// Also a file's text in a URL is one to be printed, and XML 1.0 cannot name these.
bool has_control_characters(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

/// The placeholder at the beginning of `text`, which begins with '{'; empty: none that is known.
std::string_view placeholder(std::string_view text) noexcept {
  for (const std::string_view known : {"{export}", "{stream}", "{time}"})
    if (text.starts_with(known)) return known;
  return {};
}

bool is_port(std::string_view text) noexcept {
  unsigned number = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end && number >= 1 && number <= 65535;
}

}  // namespace

object_name parse_object_name(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("s3:")) rest.remove_prefix(3);
  if (rest.starts_with("//")) rest.remove_prefix(2);
  const auto slash = rest.find('/');
  object_name name{std::string(rest.substr(0, slash)), ""};
  if (slash != std::string_view::npos) name.key = rest.substr(slash + 1);
  if (name.bucket.empty()) refuse(text, "names no bucket: write s3://BUCKET/KEY");
  if (name.key.empty()) refuse(text, "names no key: write s3://BUCKET/KEY");
  if (!consists_of(name.bucket, ".-_") || name.bucket.size() > 255 ||
      name.bucket.find("..") != std::string::npos)
    refuse(name.bucket, "cannot be a bucket: a name has letters, digits, '.', '-' and '_'");
  for (auto at = name.key.find('{'); at != std::string::npos; at = name.key.find('{', at + 1))
    if (placeholder(std::string_view(name.key).substr(at)).empty())
      refuse(text, "has a '{' that begins none of {export}, {stream} and {time}");
  if (has_control_characters(name.key)) refuse("the key", "has a control character in it");
  return name;
}

bool has_placeholders(std::string_view key) {
  return key.find('{') != std::string_view::npos;
}

std::string expand_key(std::string_view key, std::string_view export_name, std::uint64_t stream,
                       std::time_t now) {
  std::string out;
  while (!key.empty()) {
    const auto word = key.front() == '{' ? placeholder(key) : key.substr(0, 1);
    if (word == "{export}") {
      out += export_name;
    } else if (word == "{stream}") {
      out += std::to_string(stream);
    } else if (word == "{time}") {
      out += amz_date(now);
    } else {
      out += word;
    }
    key.remove_prefix(std::max<std::size_t>(word.size(), 1));
  }
  if (out.empty()) throw sink_error(EINVAL, "the key is empty, as the export has no name");
  if (out.size() > longest_key)
    throw sink_error(ENAMETOOLONG, "a key of " + std::to_string(out.size()) +
                                       " bytes is too long: S3 takes up to 1024");
  if (has_control_characters(out)) refuse("the key", "has a control character in it");
  return out;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (consists_of({&c, 1}, "-._~") || (keep_slashes && c == '/')) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

endpoint parse_endpoint(std::string_view url) {
  constexpr std::string_view form = ": write http://HOST:PORT or https://HOST";
  const auto colon = url.find("://");
  endpoint out;
  out.scheme = url.substr(0, colon);
  if (colon == std::string_view::npos || (out.scheme != "http" && out.scheme != "https"))
    refuse(url, "is no endpoint" + std::string(form));
  const std::string_view rest = url.substr(colon + 3);
  const auto slash = std::min(rest.find('/'), rest.size());
  std::string_view host = rest.substr(0, slash);
  if (host.find('@') != std::string_view::npos)
    throw sink_error(EINVAL, "the endpoint has a '@' in it: credentials do not belong there");
  std::string_view port;
  const auto end_of_address = host.starts_with('[') ? host.find(']') : 0;
  if (end_of_address == std::string_view::npos) refuse(url, "lacks the closing ']'");
  if (const auto at = host.find(':', end_of_address); at != std::string_view::npos) {
    port = host.substr(at + 1);
    host = host.substr(0, at);
    if (!is_port(port)) refuse(url, "needs a port between 1 and 65535 behind the last ':'");
  }
  const bool bracketed = host.starts_with('[');
  const bool good = bracketed
                        ? host.ends_with(']') && consists_of(host.substr(1, host.size() - 2), ":.")
                        : !host.empty() && consists_of(host, ".-");
  if (!good) refuse(url, "names no host" + std::string(form));
  std::string_view path = rest.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!consists_of(path, "/-._~%")) refuse(url, "has more than a path behind its host");
  out.path = path;
  out.authority = host;
  const bool usual = port.empty() || port == (out.encrypted() ? "443" : "80");
  if (!usual) out.authority.append(":").append(port);
  out.aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
  return out;
}

endpoint aws_endpoint(std::string_view region) {
  const std::string suffix = region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
  return {"https", "s3." + std::string(region) + suffix, "", true};
}

bool is_region(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 63 && consists_of(text, "-_");
}

location locate(const endpoint& at, addressing how, std::string_view bucket, std::string_view key) {
  // The certificate of AWS is for one label in front of its name, so not for a bucket with a dot.
  if (how == addressing::automatic)
    how = at.aws && bucket.find('.') == std::string_view::npos ? addressing::virtual_host
                                                               : addressing::path;
  const std::string encoded = percent_encoded(key, true);
  const std::string name(bucket);
  if (how == addressing::virtual_host) return {name + "." + at.authority, at.path + "/" + encoded};
  return {at.authority, at.path + "/" + name + "/" + encoded};
}

}  // namespace nbdstream::s3
