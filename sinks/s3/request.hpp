// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_REQUEST_HPP
#define NBDSTREAM_SINKS_S3_REQUEST_HPP

#include <ctime>
#include <string>

#include "job.hpp"
#include "settings.hpp"
#include "sums.hpp"
#include "transport.hpp"

namespace nbdstream::s3 {

/// How requests are made, as far as it can change while streams run.
struct request_mode {
  endpoint at;
  std::string region;
  checksum sum = checksum::none;
  bool conditional = true;  ///< the server knows If-None-Match
  std::time_t skew = 0;     ///< how far the server's clock is ahead of ours, in seconds
};

wanted_digests digests_for(const job& j, const settings& s, const request_mode& m);

/// What is sent: of `complete` it is the list of parts.
payload body_of(const job& j);

/// A signed request. `body`: what body_of has returned, `sums`: its digests.
http_request make_request(const job& j, const settings& s, const request_mode& m,
                          const payload& body, const digests& sums, const credentials& who,
                          std::time_t now);

}  // namespace nbdstream::s3
#endif
