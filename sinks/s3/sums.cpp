// SPDX-License-Identifier: BSD-3-Clause
#include "sums.hpp"

#include <algorithm>
#include <optional>

#include "../medium/digest.hpp"

namespace nbdstream::s3 {
namespace {

constexpr std::size_t piece = 4 << 20;  // bytes between two looks whether it is still wanted
constexpr std::size_t most_lengths = 16;

digests compute(const payload& body, wanted_digests wanted, const std::function<bool()>& stopped) {
  using medium::digest;
  // Where only signatures are allowed to be computed (FIPS), there is no MD5.
  std::optional<digest> sha256;
  std::optional<digest> md5;
  if (wanted.sha256) sha256.emplace(digest::algorithm::sha256);
  if (wanted.md5) md5.emplace(digest::algorithm::md5);
  for (std::size_t at = 0; at < body.size && !stopped(); at += piece) {
    const std::size_t n = std::min(piece, body.size - at);
    for (auto* const sum : {&sha256, &md5}) {
      if (!*sum) continue;
      if (body.zeroes()) {
        (*sum)->add_zeroes(n);
      } else {
        (*sum)->add(body.span().subspan(at, n));
      }
    }
  }
  digests out;
  if (sha256) {
    const std::string value = sha256->finish();
    out.sha256_hex = medium::hex(value);
    out.sha256_base64 = medium::base64(value);
  }
  if (md5) out.md5_base64 = medium::base64(md5->finish());
  return out;
}

}  // namespace

digests summer::of(const payload& body, wanted_digests wanted,
                   const std::function<bool()>& stopped) {
  if (!body.zeroes()) return compute(body, wanted, stopped);
  {
    const std::lock_guard lock(mutex_);
    const auto known = of_zeroes_.find(body.size);
    if (known != of_zeroes_.end() && known->second.wanted == wanted) return known->second.value;
  }
  digests value = compute(body, wanted, stopped);
  if (stopped()) return value;
  const std::lock_guard lock(mutex_);
  if (of_zeroes_.size() >= most_lengths) of_zeroes_.clear();
  of_zeroes_[body.size] = {wanted, value};
  return value;
}

}  // namespace nbdstream::s3
