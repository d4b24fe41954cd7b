// SPDX-License-Identifier: BSD-3-Clause
//
// Own code, since the signatures of libcurl 7.88 and 8.14 fail on keys with `+ : ( ) ! ' *`, and
// neither can be told how far our clock is wrong.
#include "sign.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nbdstream/sink.hpp>

#include "../medium/digest.hpp"

namespace nbdstream::s3 {
namespace {

std::string sha256_hex(std::string_view text) {
  medium::digest digest;
  digest.add(std::as_bytes(std::span(text)));
  return medium::hex(digest.finish());
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  if (!HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
            reinterpret_cast<const unsigned char*>(text.data()), text.size(), value.data(),
            &length))
    throw sink_error(EIO, "OpenSSL cannot compute an HMAC-SHA-256");
  return {value.begin(), value.begin() + length};
}

/// A value as it is signed: without spaces around it, and no two of them in a row.
std::string squeezed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

fields canonical(const fields& headers) {
  fields out;
  for (auto [name, value] : headers) {
    std::ranges::transform(name, name.begin(), lower);
    out.emplace_back(std::move(name), squeezed(value));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

credentials::~credentials() {
  OPENSSL_cleanse(secret_key.data(), secret_key.size());
  OPENSSL_cleanse(session_token.data(), session_token.size());
}

std::string amz_date(std::time_t when) {
  std::tm utc{};
  ::gmtime_r(&when, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc)};
}

std::string query_string(fields query) {
  std::ranges::sort(query);
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string authorization(const signable& request, std::string_view date, std::string_view region,
                          const credentials& who) {
  const std::string day(date.substr(0, 8));
  const std::string scope = day + "/" + std::string(region) + "/s3/aws4_request";
  std::string names;
  std::string headers;
  for (const auto& [name, value] : canonical(request.headers)) {
    names.append(names.empty() ? "" : ";").append(name);
    headers.append(name).append(":").append(value).append("\n");
  }
  const std::string whole = request.method + "\n" + request.path + "\n" +
                            query_string(request.query) + "\n" + headers + "\n" + names + "\n" +
                            request.payload_hash;
  const std::string text =
      "AWS4-HMAC-SHA256\n" + std::string(date) + "\n" + scope + "\n" + sha256_hex(whole);

  std::string key = "AWS4" + who.secret_key;
  for (const std::string_view step :
       {std::string_view(day), region, std::string_view("s3"), std::string_view("aws4_request")}) {
    std::string next = hmac(key, step);
    OPENSSL_cleanse(key.data(), key.size());
    key = std::move(next);
  }
  return "AWS4-HMAC-SHA256 Credential=" + who.access_key + "/" + scope + ",SignedHeaders=" + names +
         ",Signature=" + medium::hex(hmac(key, text));
}

}  // namespace nbdstream::s3
