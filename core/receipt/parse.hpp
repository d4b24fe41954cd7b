// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RECEIPT_PARSE_HPP
#define NBDSTREAM_RECEIPT_PARSE_HPP

#include "config/config.hpp"
#include "stage/fingerprint.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

namespace nbdstream::receipt {

/// A text is no receipt, or one that cannot be read here; what() says why, without the file's name.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What a receipt says of the bytes of its stream.
struct expectation {
  config::digest_algorithm algorithm = config::digest_algorithm::sha256;
  stage::fingerprint print;  ///< of the stream before it was compressed
  bool compressed = false;   ///< the sink was given something else
};

/// Throws error.
[[nodiscard]] expectation parse(std::string_view json);

}  // namespace nbdstream::receipt
#endif
