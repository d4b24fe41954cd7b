// SPDX-License-Identifier: BSD-3-Clause
#include "settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "profile.hpp"
#include "schedule.hpp"

namespace nbdstream::s3 {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw sink_error(EINVAL, text);
}

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const auto& text : candidates)
    if (!text.empty()) return text;
  return {};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool is_name_of_header(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

/// Headers that are ours to set, or that would carry a secret.
bool is_reserved(std::string_view name) {
  constexpr std::array reserved{std::to_array<std::string_view>(
      {"authorization", "connection", "content-length", "content-md5", "expect", "host", "if-match",
       "if-none-match", "proxy-authorization", "transfer-encoding", "x-amz-content-sha256",
       "x-amz-date", "x-amz-meta-nbdstream-id", "x-amz-security-token"})};
  return std::ranges::find(reserved, name) != reserved.end() ||
         name.starts_with("x-amz-checksum-") || name.starts_with("x-amz-copy-") ||
         name.starts_with("x-amz-server-side-encryption-customer-") || name.starts_with("proxy-");
}

std::string text_of(const sink_host& host, const char* option) {
  std::string text(host.text(option).value_or(""));
  if (has_line_break(text)) refuse(std::string(option) + ": a line break cannot be in it");
  return text;
}

template <class Value>
Value choice(const sink_host& host, const char* option,
             std::initializer_list<std::pair<std::string_view, Value>> known) {
  const std::string text = text_of(host, option);
  std::string names;
  for (const auto& [name, value] : known) {
    if (name == text) return value;
    names.append(names.empty() ? "" : ", ").append(name);
  }
  refuse(std::string(option) + "=" + text + " is not known: give one of " + names);
}

void read_place(const sink_host& host, const section& profile, settings& out) {
  out.region = first_of({text_of(host, "region"), environment("AWS_REGION"),
                         environment("AWS_DEFAULT_REGION"),
                         profile.contains("region") ? profile.at("region") : "", "us-east-1"});
  if (!is_region(out.region)) refuse("region=" + out.region + " cannot be the name of a region");
  const std::string url =
      first_of({text_of(host, "endpoint"), environment("AWS_ENDPOINT_URL_S3"),
                environment("AWS_ENDPOINT_URL"),
                profile.contains("endpoint_url") ? profile.at("endpoint_url") : ""});
  out.own_endpoint = !url.empty();
  out.at = out.own_endpoint ? parse_endpoint(url) : aws_endpoint(out.region);
  out.how = choice<addressing>(host, "addressing",
                               {{"auto", addressing::automatic},
                                {"path", addressing::path},
                                {"virtual", addressing::virtual_host}});
  out.ca_file = first_of({text_of(host, "ca-file"), environment("AWS_CA_BUNDLE")});
  if (!out.ca_file.empty() && ::access(out.ca_file.c_str(), R_OK) != 0)
    throw sink_error(errno, out.ca_file + ": this file with certificates cannot be read");
}

void read_sizes(const sink_host& host, settings& out) {
  if (const auto size = host.number("part-size")) {
    out.part_size = static_cast<std::uint64_t>(*size);
    if (*out.part_size < smallest_part || *out.part_size > largest_part)
      refuse("part-size must be between 5M and 5G, the limits of S3");
  }
  const auto connections = host.number("connections").value_or(4);
  if (connections < 1 || connections > 64) refuse("connections must be between 1 and 64");
  out.connections = static_cast<unsigned>(connections);
  out.memory = static_cast<std::uint64_t>(host.number("memory").value_or(512 << 20));
  out.retry_timeout = std::chrono::nanoseconds(host.number("retry-timeout").value_or(0));
  out.stall_timeout = std::chrono::nanoseconds(host.number("stall-timeout").value_or(0));
  if (out.stall_timeout < std::chrono::seconds(1)) refuse("stall-timeout must be at least 1s");
}

void read_integrity(const sink_host& host, settings& out) {
  const bool aws = out.at.aws;
  out.sum = choice<checksum>(host, "checksum",
                             {{"auto", aws ? checksum::sha256 : checksum::none},
                              {"none", checksum::none},
                              {"sha256", checksum::sha256},
                              {"md5", checksum::md5}});
  out.learn_checksum = text_of(host, "checksum") == "auto";
  out.sign_payload = host.number("sign-payload").value_or(1) != 0;
  if (!out.sign_payload && !out.at.encrypted())
    refuse("sign-payload=false needs an endpoint with https: the bytes would not be protected");
}

void read_object(const sink_host& host, settings& out) {
  const std::string given = text_of(host, "storage-class");
  if (!given.empty()) out.object_headers.emplace_back("x-amz-storage-class", given);
  const std::string sse = text_of(host, "sse");
  const std::string key = text_of(host, "sse-kms-key");
  if (!sse.empty() && sse != "AES256" && sse != "aws:kms")
    refuse("sse=" + sse + " is not known: give AES256 or aws:kms");
  if (!key.empty() && sse != "aws:kms") refuse("sse-kms-key needs `sse=aws:kms` as well");
  if (!sse.empty()) out.object_headers.emplace_back("x-amz-server-side-encryption", sse);
  if (!key.empty())
    out.object_headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", key);
  for (auto& header : parse_headers(host.text("headers").value_or(""))) {
    const bool of_all = header.first == "x-amz-request-payer";
    (of_all ? out.request_headers : out.object_headers).push_back(std::move(header));
  }
}

}  // namespace

fields parse_headers(std::string_view text) {
  fields out;
  if (has_line_break(text)) refuse("headers: a line break cannot be in it");
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const std::string_view one = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    const auto colon = one.find(':');
    std::string name(trimmed(one.substr(0, colon)));
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (colon == std::string_view::npos || !is_name_of_header(name))
      refuse("headers: '" + std::string(one) + "' is not NAME: VALUE");
    if (is_reserved(name)) refuse("headers: " + name + " cannot be set");
    out.emplace_back(std::move(name), trimmed(one.substr(colon + 1)));
  }
  return out;
}

namespace {

/// What says where an object is, and how to get there.
settings read_common_settings(const sink_host& host) {
  settings out;
  out.name = parse_object_name(text_of(host, "url"));
  out.named_profile = host.text("profile").has_value();
  out.profile = first_of({text_of(host, "profile"), environment("AWS_PROFILE"), "default"});
  read_place(host, profile_files::of(out.profile).read(), out);
  read_sizes(host, out);
  return out;
}

}  // namespace

settings read_source_settings(const sink_host& host) {
  settings out = read_common_settings(host);
  if (has_placeholders(out.name.key))
    refuse(out.object_url(out.name.key) + " names no single object: write the key as it is");
  return out;
}

settings read_settings(const sink_host& host) {
  settings out = read_common_settings(host);
  out.overwrite = host.number("overwrite").value_or(0) != 0;
  read_integrity(host, out);
  read_object(host, out);
  return out;
}

}  // namespace nbdstream::s3
