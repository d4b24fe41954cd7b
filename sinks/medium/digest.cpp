// SPDX-License-Identifier: BSD-3-Clause
#include "digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nbdstream/sink.hpp>

namespace nbdstream::medium {

void digest::freeing::operator()(evp_md_ctx_st* context) const noexcept {
  EVP_MD_CTX_free(context);
}

namespace {

const char* name_of(digest::algorithm which) {
  return which == digest::algorithm::md5 ? "MD5" : "SHA-256";
}

void check(int result, digest::algorithm which) {
  if (result == 1) return;
  throw sink_error(EIO, std::string("OpenSSL cannot compute a ") + name_of(which));
}

}  // namespace

digest::digest(algorithm which) : which_(which), context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  start_over();
}

void digest::start_over() {
  const EVP_MD* const method = which_ == algorithm::md5 ? EVP_md5() : EVP_sha256();
  check(EVP_DigestInit_ex(context_.get(), method, nullptr), which_);
}

void digest::add(std::span<const std::byte> data) {
  check(EVP_DigestUpdate(context_.get(), data.data(), data.size()), which_);
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
  check(EVP_DigestFinal_ex(context_.get(), value.data(), &length), which_);
  start_over();
  return {value.begin(), value.begin() + length};
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += digits[static_cast<unsigned char>(byte) >> 4];
    text += digits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

}  // namespace nbdstream::medium
