// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_REPLY_HPP
#define NBDSTREAM_SINKS_S3_REPLY_HPP

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "job.hpp"

namespace nbdstream::s3 {

/// What a server has answered.
struct reply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< their names in lower case
  std::string body;

  /// Empty: there is no such header.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
};

/// What is in the first element of a name, entities resolved; empty where it is missing or cut.
std::string element(std::string_view xml, std::string_view name);

/// Whether this is all of the answer to CompleteMultipartUpload. A server that has sent 200 before
/// it was done can still report an error behind it, or break off.
enum class reply_end { whole, error, cut };
reply_end end_of_completion(std::string_view body);

enum class verdict {
  good,
  absent,
  exists,
  conflict,
  again,          ///< it may succeed when it is repeated
  slow_down,      ///< likewise, with fewer requests at a time
  corrupt,        ///< likewise: the body did not arrive as it was sent
  skewed,         ///< our clock and the server's differ
  expired,        ///< the credentials
  wants_md5,      ///< this bucket takes nothing without a checksum
  unconditional,  ///< the server does not know If-None-Match
  elsewhere,      ///< the bucket is in another region, or behind another host
  forbidden,      ///< of a look: not for these credentials, or not on this server
  refused         ///< final
};

struct judgement {
  verdict what = verdict::refused;
  int error = 0;       ///< errno
  std::string code;    ///< as the server says it: "NoSuchBucket"
  std::string text;    ///< why, for the user, with the code and the server's number of the request
  std::string region;  ///< where the bucket is, if the server has told
  duration retry_after{};
};

/// What the answer to a request means. Never repeats more of it than letters and digits.
judgement judge(operation what, const reply& answer);

/// The same of a get, which is good only with all bytes that were wanted, of the object that they
/// were wanted of.
judgement judge(const range& wanted, const reply& answer);

}  // namespace nbdstream::s3
#endif
