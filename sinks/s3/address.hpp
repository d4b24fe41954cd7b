// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_ADDRESS_HPP
#define NBDSTREAM_SINKS_S3_ADDRESS_HPP

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace nbdstream::s3 {

/// Where a stream goes, as the user writes it.
struct object_name {
  std::string bucket;
  std::string key;  ///< may have {export}, {stream} and {time} in it
};

/// s3://BUCKET/KEY, //BUCKET/KEY or BUCKET/KEY. Throws sink_error.
object_name parse_object_name(std::string_view text);

/// Whether a key differs from stream to stream.
bool has_placeholders(std::string_view key);

/// The key with what its placeholders stand for. Throws sink_error where no object can have it.
std::string expand_key(std::string_view key, std::string_view export_name, std::uint64_t stream,
                       std::time_t now);

/// Each byte that is not unreserved as %XX; '/' too, unless it is to be kept.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);

/// A server of S3.
struct endpoint {
  std::string scheme;     ///< "http", "https"
  std::string authority;  ///< as in the header Host: without the port where that is the usual one
  std::string path;       ///< "", or percent-encoded with a leading slash and none at the end
  bool aws = false;       ///< that of Amazon's own cloud

  [[nodiscard]] bool encrypted() const noexcept { return scheme == "https"; }
};

/// http://HOST[:PORT][/PATH] or https://… Throws sink_error.
endpoint parse_endpoint(std::string_view url);

/// That of Amazon's own cloud.
endpoint aws_endpoint(std::string_view region);

/// Whether a text can be the name of a region: it becomes part of a host's name.
bool is_region(std::string_view text) noexcept;

enum class addressing { automatic, path, virtual_host };

/// The place of an object at an endpoint.
struct location {
  std::string authority;
  std::string path;  ///< percent-encoded
  [[nodiscard]] std::string url(const endpoint& at) const {
    return at.scheme + "://" + authority + path;
  }
};
location locate(const endpoint& at, addressing how, std::string_view bucket, std::string_view key);

}  // namespace nbdstream::s3
#endif
