// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_SIGN_HPP
#define NBDSTREAM_SINKS_S3_SIGN_HPP

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nbdstream::s3 {

/// Who signs. Cleared from memory when it goes.
struct credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  ///< empty: none

  credentials() = default;
  credentials(std::string access, std::string secret, std::string token)
      : access_key(std::move(access)),
        secret_key(std::move(secret)),
        session_token(std::move(token)) {}
  credentials(const credentials&) = default;
  credentials(credentials&&) = default;
  credentials& operator=(const credentials&) = default;
  credentials& operator=(credentials&&) = default;
  ~credentials();
};

using fields = std::vector<std::pair<std::string, std::string>>;

/// A request as it is signed.
struct signable {
  std::string method;
  std::string path;          ///< percent-encoded, with the leading slash
  fields query;              ///< percent-encoded; of a name without a value the value is empty
  fields headers;            ///< all of them are signed; names in any case
  std::string payload_hash;  ///< SHA-256 of the body in hexadecimal, or "UNSIGNED-PAYLOAD"
};

/// "20130524T000000Z", as Signature Version 4 writes a time.
std::string amz_date(std::time_t when);

/// The query as it is signed, and so as it is sent: in order, each name with its "=".
std::string query_string(fields query);

/// The value of the header Authorization: Signature Version 4 for the service s3. `date` is that of
/// the header x-amz-date.
std::string authorization(const signable& request, std::string_view date, std::string_view region,
                          const credentials& who);

}  // namespace nbdstream::s3
#endif
