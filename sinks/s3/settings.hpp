// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_SETTINGS_HPP
#define NBDSTREAM_SINKS_S3_SETTINGS_HPP

#include <array>
#include <cstdint>
#include <nbdstream/sink.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "address.hpp"
#include "job.hpp"
#include "sign.hpp"

namespace nbdstream::s3 {

enum class checksum { none, sha256, md5 };

/// What the user, the environment and the files of the SDKs say, checked.
struct settings {
  object_name name;
  endpoint at;
  bool own_endpoint = false;  ///< somebody has named it; else it follows from the region
  std::string region;
  addressing how = addressing::automatic;
  std::string profile;
  bool named_profile = false;  ///< by the option, so that it is preferred to the environment's keys
  std::string ca_file;
  bool overwrite = false;
  std::optional<std::uint64_t> part_size;
  unsigned connections = 4;
  std::uint64_t memory = 0;
  duration retry_timeout{};
  duration stall_timeout{};
  checksum sum = checksum::none;
  bool learn_checksum = false;  ///< the server may ask for one
  bool sign_payload = true;
  fields object_headers;   ///< of what makes an object
  fields request_headers;  ///< of each request

  [[nodiscard]] std::string object_url(const std::string& key) const {
    return "s3://" + name.bucket + "/" + key;
  }
};

inline constexpr std::array<nbdstream_option, 18> known_options{
    {{"url", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
      nullptr, "s3://BUCKET/KEY; the key may contain {export}, {stream} and {time}"},
     {"endpoint", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "the URL of the server, as in https://s3.example:9000; by default AWS_ENDPOINT_URL_S3, "
      "AWS_ENDPOINT_URL, or AWS"},
     {"region", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "by default AWS_REGION, AWS_DEFAULT_REGION, the region of the profile, or us-east-1"},
     {"addressing", NBDSTREAM_OPTION_STRING, 0, "auto",
      "where requests have the bucket's name: path, or virtual (in the host's name); auto: virtual "
      "for AWS if the name has no dot, else path"},
     {"profile", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "a section of the files ~/.aws/credentials and ~/.aws/config; by default AWS_PROFILE"},
     {"ca-file", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "a file of certificates to trust instead of the system's; by default AWS_CA_BUNDLE"},
     {"overwrite", NBDSTREAM_OPTION_BOOLEAN, 0, "false",
      "replace an existing object when the new one is complete"},
     {"part-size", NBDSTREAM_OPTION_SIZE, 0, nullptr,
      "the size of each part, from 5M to 5G; by default 16M or what --size needs; without --size, "
      "parts grow from 16M on"},
     {"connections", NBDSTREAM_OPTION_INTEGER, 0, "4",
      "how many parts are uploaded at the same time, from 1 to 64"},
     {"memory", NBDSTREAM_OPTION_SIZE, 0, "512M",
      "how much memory parts may take; if parts are large, fewer connections are used"},
     {"retry-timeout", NBDSTREAM_OPTION_DURATION, 0, "15m",
      "how long a failed request is repeated"},
     {"stall-timeout", NBDSTREAM_OPTION_DURATION, 0, "60s",
      "how long a transfer may pause before the request has failed"},
     {"checksum", NBDSTREAM_OPTION_STRING, 0, "auto",
      "the checksum that is sent with the bytes: none, sha256 or md5; auto: sha256 for AWS, md5 if "
      "the bucket requires it, else none"},
     {"sign-payload", NBDSTREAM_OPTION_BOOLEAN, 0, "true",
      "false: do not sign the bytes, which saves computing their SHA-256; only with https"},
     {"storage-class", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "the storage class of the object, as in STANDARD_IA"},
     {"sse", NBDSTREAM_OPTION_STRING, 0, nullptr, "encryption by the server: AES256 or aws:kms"},
     {"sse-kms-key", NBDSTREAM_OPTION_STRING, 0, nullptr, "the name of the key for sse=aws:kms"},
     {"headers", NBDSTREAM_OPTION_STRING, 0, nullptr,
      "headers of the object, as in 'x-amz-tagging: a=b; content-type: application/zstd'"}}};

/// Those of them that say something of how an object is read, with other words for two.
constexpr std::array<nbdstream_option, 9> source_options() {
  std::array<nbdstream_option, 9> out{};
  std::size_t count = 0;
  for (const auto& option : known_options) {
    const std::string_view name(option.name);
    for (const std::string_view kept : {"url", "endpoint", "region", "addressing", "profile",
                                        "ca-file", "connections", "retry-timeout", "stall-timeout"})
      if (name == kept) out[count++] = option;
  }
  for (auto& option : out) {
    const std::string_view name(option.name);
    if (name == "url") option.help = "s3://BUCKET/KEY";
    if (name == "connections") option.help = "how many requests run at the same time, from 1 to 64";
    if (name == "retry-timeout") option.default_value = "1m";
  }
  return out;
}

/// Throws sink_error that says in one sentence what is wrong.
settings read_settings(const sink_host& host);
/// The same for a source.
settings read_source_settings(const sink_host& host);

/// "Name: value; Name: value". Throws sink_error.
fields parse_headers(std::string_view text);

}  // namespace nbdstream::s3
#endif
