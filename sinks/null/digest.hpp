// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_NULL_DIGEST_HPP
#define NBDSTREAM_SINKS_NULL_DIGEST_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace nbdstream::null {

/// SHA-256 of what comes piece by piece. Throws sink_error where OpenSSL has none.
class digest {
 public:
  digest();

  void add(std::span<const std::byte> data);
  void add_zeroes(std::uint64_t count);

  /// In hexadecimal; the next piece begins anew.
  std::string finish();

  /// As if nothing had come.
  void start_over();

 private:
  struct freeing {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, freeing> context_;
};

}  // namespace nbdstream::null

#endif
