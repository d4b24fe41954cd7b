// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_HASHER_HPP
#define NBDSTREAM_STAGE_HASHER_HPP

#include "stage/fingerprint.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace nbdstream::stage {

/// Computes the fingerprint of a stream, whose bytes come in their order, in any pieces.
class hasher {
 public:
  /// Throws std::runtime_error where the library has no such algorithm (a FIPS provider).
  explicit hasher(config::digest_algorithm algorithm);
  ~hasher();
  hasher(hasher&&) noexcept;
  hasher& operator=(hasher&&) noexcept;

  void update(std::span<const std::byte> data);
  /// Once, after the last byte.
  [[nodiscard]] fingerprint finish();

  /// Those blocks that are complete.
  [[nodiscard]] const std::vector<fingerprint::block_digest>& blocks() const noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace nbdstream::stage
#endif
