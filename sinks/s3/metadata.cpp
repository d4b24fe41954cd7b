// SPDX-License-Identifier: BSD-3-Clause
#include "metadata.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <nbdstream/sink.hpp>

#include "profile.hpp"

namespace nbdstream::s3 {
namespace {

using std::chrono::seconds;

constexpr unsigned most_tries = 2;

std::string ask(errand& by, const std::string& from, const std::string& method,
                const std::string& url, fields headers) {
  http_request request;
  request.method = method;
  request.url = url;
  request.headers = std::move(headers);
  request.connect = seconds(1);
  request.total = seconds(2);
  request.direct = true;
  std::string why;
  for (unsigned tries = 0; tries < most_tries && !by.stopped(); ++tries) {
    exchange x = by.perform(request);
    if (x.what == exchange::kind::answered && x.answer.status == 200)
      return std::move(x.answer.body);
    why = x.what == exchange::kind::answered ? "HTTP " + std::to_string(x.answer.status) : x.why;
  }
  throw sink_error(EACCES, from + " gives no credentials: " + why);
}

/// Without the line break at its end; a token is one line.
std::string one_line(std::string text, const char* from) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool harmless = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  if (!harmless || text.size() > (16 << 10))
    throw sink_error(EACCES, std::string(from) + " is not one line of text");
  return text;
}

fields container_token() {
  const std::string path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (!path.empty()) {
    std::ifstream file(path, std::ios::binary);
    token.assign(std::istreambuf_iterator<char>(file), {});
    if (!file) throw sink_error(EACCES, path + ": the token of the container cannot be read");
  }
  if (token.empty()) return {};
  return {{"authorization", one_line(std::move(token), "the token of the container")}};
}

}  // namespace

bool is_trusted_service(std::string_view url) noexcept {
  if (url.starts_with("https://")) return true;
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) return false;
  url.remove_prefix(scheme.size());
  std::string_view host = url.substr(0, std::min(url.find_first_of("/?#"), url.size()));
  if (host.find('@') != std::string_view::npos) return false;
  const auto end_of_address = host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0;
  host = host.substr(0, std::min(host.find(':', end_of_address), host.size()));
  constexpr std::array known{std::to_array<std::string_view>(
      {"localhost", "127.0.0.1", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"})};
  return std::ranges::find(known, host) != known.end();
}

std::optional<lease> from_container(errand& by) {
  const std::string name = "the service of the container";
  const std::string relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  std::string url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative.empty()) url = "http://169.254.170.2" + relative;
  if (url.empty()) return {};
  if (!is_trusted_service(url))
    throw sink_error(
        EACCES, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or an address of this host");
  std::string text = ask(by, name, "GET", url, container_token());
  lease out = parse_lease(text, name);
  wipe(text);
  return out;
}

std::optional<lease> from_machine(errand& by) {
  if (environment("AWS_EC2_METADATA_DISABLED") == "true") return {};
  const std::string name = "the service of the machine (IMDSv2)";
  std::string at = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (at.empty()) at = "http://169.254.169.254";
  while (at.ends_with('/')) at.pop_back();
  const std::string token = one_line(ask(by, name, "PUT", at + "/latest/api/token",
                                         {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}}),
                                     "the token of the machine");
  const fields with_token{{"x-aws-ec2-metadata-token", token}};
  const std::string roles = at + "/latest/meta-data/iam/security-credentials/";
  const std::string role = one_line(ask(by, name, "GET", roles, with_token), "the machine's role");
  std::string text = ask(by, name, "GET", roles + role, with_token);
  lease out = parse_lease(text, name);
  wipe(text);
  return out;
}

}  // namespace nbdstream::s3
