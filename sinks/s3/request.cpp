// SPDX-License-Identifier: BSD-3-Clause
#include "request.hpp"

#include <algorithm>
#include <utility>

namespace nbdstream::s3 {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const char* method_of(operation what) {
  switch (what) {
    case operation::create:
    case operation::complete: return "POST";
    case operation::part:
    case operation::put: return "PUT";
    case operation::look: return "HEAD";
    case operation::abort:
    case operation::remove: return "DELETE";
    case operation::get:
    case operation::probe: break;
  }
  return "GET";
}

bool has_body(operation what) {
  return what == operation::part || what == operation::put || what == operation::complete ||
         what == operation::create;
}

void add_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
}

std::string list_of(const std::vector<stored_part>& parts) {
  std::string out = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  unsigned number = 0;
  for (const auto& part : parts) {
    out += "<Part><PartNumber>" + std::to_string(++number) + "</PartNumber><ETag>";
    add_escaped(out, part.etag);
    out += "</ETag>";
    if (!part.sha256.empty()) out += "<ChecksumSHA256>" + part.sha256 + "</ChecksumSHA256>";
    out += "</Part>";
  }
  return out + "</CompleteMultipartUpload>";
}

fields query_of(const job& j) {
  const std::string id = percent_encoded(j.upload_id);
  switch (j.what) {
    case operation::create: return {{"uploads", ""}};
    case operation::part: return {{"partNumber", std::to_string(j.number)}, {"uploadId", id}};
    case operation::complete:
    case operation::abort: return {{"uploadId", id}};
    case operation::remove:
      if (!j.version.empty()) return {{"versionId", percent_encoded(j.version)}};
      break;
    default: break;
  }
  return {};
}

bool has(const fields& headers, std::string_view name) {
  for (const auto& header : headers)
    if (header.first == name) return true;
  return false;
}

/// Headers that say what the object is to be.
void describe_object(const job& j, const settings& s, const request_mode& m, fields& headers) {
  headers.insert(headers.end(), s.object_headers.begin(), s.object_headers.end());
  if (!has(headers, "content-type"))
    headers.emplace_back("content-type", "application/octet-stream");
  headers.emplace_back("x-amz-meta-nbdstream-id", j.target->nonce);
  if (j.what == operation::create && m.sum == checksum::sha256)
    headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
}

void describe_body(const job& j, const request_mode& m, const digests& sums, fields& headers) {
  if (j.what != operation::part && j.what != operation::put) return;
  if (m.sum == checksum::sha256) headers.emplace_back("x-amz-checksum-sha256", sums.sha256_base64);
  if (m.sum == checksum::md5) headers.emplace_back("content-md5", sums.md5_base64);
}

/// How long each may take. A part, or a completion, may take any time, as long as bytes move.
void limit(http_request& request, const job& j, const settings& s) {
  switch (j.what) {
    case operation::probe: request.total = seconds(10); break;
    case operation::create:
    case operation::look: request.total = seconds(30); break;
    case operation::abort:
    case operation::remove: request.total = seconds(60); break;
    case operation::get:
      request.longest_answer =
          std::max<std::size_t>(request.longest_answer, static_cast<std::size_t>(j.wanted.length));
      [[fallthrough]];
    case operation::part:
    case operation::put: request.stall = s.stall_timeout; break;
    case operation::complete: request.stall = minutes(10); break;
  }
}

}  // namespace

wanted_digests digests_for(const job& j, const settings& s, const request_mode& m) {
  const bool data = j.what == operation::part || j.what == operation::put;
  return {s.sign_payload || !data || m.sum == checksum::sha256, data && m.sum == checksum::md5};
}

payload body_of(const job& j) {
  if (j.what != operation::complete) return j.body;
  const auto text = std::make_shared<const std::string>(list_of(j.parts));
  const auto* const bytes = std::as_bytes(std::span(*text)).data();
  return {std::shared_ptr<const std::byte>(text, bytes), text->size()};
}

http_request make_request(const job& j, const settings& s, const request_mode& m,
                          const payload& body, const digests& sums, const credentials& who,
                          std::time_t now) {
  const location place = locate(m.at, s.how, s.name.bucket, j.target->key);
  const bool data = j.what == operation::part || j.what == operation::put;
  const bool final = j.what == operation::put || j.what == operation::complete;
  const std::string date = amz_date(now + m.skew);
  signable to_sign{method_of(j.what), place.path, query_of(j), s.request_headers,
                   data && !s.sign_payload ? "UNSIGNED-PAYLOAD" : sums.sha256_hex};
  fields& headers = to_sign.headers;
  headers.emplace_back("host", place.authority);
  headers.emplace_back("x-amz-date", date);
  headers.emplace_back("x-amz-content-sha256", to_sign.payload_hash);
  if (!who.session_token.empty()) headers.emplace_back("x-amz-security-token", who.session_token);
  if (j.what == operation::create || j.what == operation::put) describe_object(j, s, m, headers);
  if (j.what == operation::complete) headers.emplace_back("content-type", "application/xml");
  if (j.what == operation::probe) headers.emplace_back("range", "bytes=0-0");
  if (j.what == operation::get) {
    const auto last = j.wanted.begin + j.wanted.length - 1;
    headers.emplace_back("range",
                         "bytes=" + std::to_string(j.wanted.begin) + "-" + std::to_string(last));
    headers.emplace_back("if-match", j.wanted.etag);
  }
  if (final && m.conditional && !j.target->overwrite) headers.emplace_back("if-none-match", "*");
  describe_body(j, m, sums, headers);
  std::string signature = authorization(to_sign, date, m.region, who);
  headers.emplace_back("authorization", std::move(signature));

  http_request out;
  out.method = to_sign.method;
  out.url = place.url(m.at);
  if (const std::string query = query_string(to_sign.query); !query.empty())
    out.url.append("?").append(query);
  out.headers = std::move(headers);
  if (has_body(j.what)) out.body = body;
  limit(out, j, s);
  return out;
}

}  // namespace nbdstream::s3
