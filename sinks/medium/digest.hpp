// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_MEDIUM_DIGEST_HPP
#define NBDSTREAM_SINKS_MEDIUM_DIGEST_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace nbdstream::medium {

/// The digest of what comes piece by piece. Throws sink_error where OpenSSL has no such algorithm.
class digest {
 public:
  enum class algorithm { sha256, md5 };

  explicit digest(algorithm which = algorithm::sha256);

  void add(std::span<const std::byte> data);
  void add_zeroes(std::uint64_t count);

  /// The bytes of the digest; the next piece begins anew.
  std::string finish();

  /// As if nothing had come.
  void start_over();

 private:
  struct freeing {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  algorithm which_;
  std::unique_ptr<evp_md_ctx_st, freeing> context_;
};

/// As lower-case hexadecimal digits.
std::string hex(std::string_view bytes);

std::string base64(std::string_view bytes);

}  // namespace nbdstream::medium

#endif
