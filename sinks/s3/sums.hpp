// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_S3_SUMS_HPP
#define NBDSTREAM_SINKS_S3_SUMS_HPP

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "job.hpp"

namespace nbdstream::s3 {

/// Which digests of a body are needed.
struct wanted_digests {
  bool sha256 = false;
  bool md5 = false;
  bool operator==(const wanted_digests&) const = default;
};

/// Digests of a body, as they stand in headers; empty: not needed.
struct digests {
  std::string sha256_hex;
  std::string sha256_base64;
  std::string md5_base64;
};

/// Computes the digests of bodies, those of zeroes once for each length. For any thread.
class summer {
 public:
  /// Some GiB take some seconds: `stopped` is asked every now and then, and the result is of no use
  /// if it has said yes.
  digests of(const payload& body, wanted_digests wanted, const std::function<bool()>& stopped);

 private:
  struct zeroes {
    wanted_digests wanted;
    digests value;
  };
  std::mutex mutex_;
  std::map<std::size_t, zeroes> of_zeroes_;  ///< by length; a stream has some lengths, not more
};

}  // namespace nbdstream::s3
#endif
