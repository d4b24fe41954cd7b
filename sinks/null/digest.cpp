// SPDX-License-Identifier: BSD-3-Clause
#include "digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nbdstream/sink.hpp>

namespace nbdstream::null {
namespace {

void check(int result) {
  if (result != 1) throw sink_error(EIO, "OpenSSL cannot compute a SHA-256");
}

}  // namespace

void digest::freeing::operator()(evp_md_ctx_st* context) const noexcept {
  EVP_MD_CTX_free(context);
}

digest::digest() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  start_over();
}

void digest::start_over() {
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void digest::add(std::span<const std::byte> data) {
  check(EVP_DigestUpdate(context_.get(), data.data(), data.size()));
}

void digest::add_zeroes(std::uint64_t count) {
  static constexpr std::array<std::byte, 65536> block{};
  while (count > 0) {
    const auto piece = std::min<std::uint64_t>(count, block.size());
    add(std::span(block).first(piece));
    count -= piece;
  }
}

std::string digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned length = 0;
  check(EVP_DigestFinal_ex(context_.get(), value.data(), &length));
  start_over();
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : std::span(value).first(length)) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace nbdstream::null
