// SPDX-License-Identifier: BSD-3-Clause
#include "stage/hasher.hpp"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

namespace nbdstream::stage {
namespace {

using config::digest_algorithm;

class xxh3 {
 public:
  xxh3() : state_(XXH3_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void update(std::span<const std::byte> data) {
    XXH3_128bits_update(state_.get(), data.data(), data.size());
  }
  /// And begins anew.
  [[nodiscard]] fingerprint::block_digest finish() {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    XXH3_128bits_reset(state_.get());
    fingerprint::block_digest digest;
    std::ranges::copy(std::as_bytes(std::span(canonical.digest)), digest.begin());
    return digest;
  }

 private:
  struct free {
    void operator()(XXH3_state_t* s) const noexcept { XXH3_freeState(s); }
  };
  std::unique_ptr<XXH3_state_t, free> state_;
};

class message_digest {
 public:
  message_digest(const EVP_MD* type, std::string_view name) : context_(EVP_MD_CTX_new()) {
    if (!context_) throw std::bad_alloc();
    if (EVP_DigestInit_ex(context_.get(), type, nullptr) != 1) {
      throw std::runtime_error("OpenSSL has no " + std::string(name) + " here");
    }
  }
  void update(std::span<const std::byte> data) {
    if (EVP_DigestUpdate(context_.get(), data.data(), data.size()) != 1) fail();
  }
  [[nodiscard]] std::string finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) fail();
    return to_hex(std::as_bytes(std::span(digest).first(size)));
  }

 private:
  [[noreturn]] static void fail() { throw std::runtime_error("OpenSSL cannot compute a digest"); }
  struct free {
    void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
  };
  std::unique_ptr<EVP_MD_CTX, free> context_;
};

}  // namespace

std::string_view name_of(digest_algorithm a) noexcept {
  switch (a) {
    case digest_algorithm::blake2b: return "blake2b-512";
    case digest_algorithm::xxh3: return "xxh3-128";
    case digest_algorithm::sha256: break;
  }
  return "sha256";
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const auto b : bytes) {
    text += digits[std::to_integer<unsigned>(b) >> 4];
    text += digits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

struct hasher::state {
  digest_algorithm algorithm;
  std::unique_ptr<message_digest> openssl;  ///< of all; or
  xxh3 whole;
  xxh3 block;  ///< the one that is not complete
  std::uint64_t length = 0;
  std::vector<fingerprint::block_digest> blocks;

  void add(std::span<const std::byte> data) {
    if (openssl) {
      openssl->update(data);
    } else {
      whole.update(data);
    }
    block.update(data);
    length += data.size();
    if (length % fingerprint::block_size == 0) blocks.push_back(block.finish());
  }
};

hasher::hasher(digest_algorithm algorithm) : state_(std::make_unique<state>()) {
  state_->algorithm = algorithm;
  if (algorithm == digest_algorithm::xxh3) return;
  const auto* const type = algorithm == digest_algorithm::blake2b ? EVP_blake2b512() : EVP_sha256();
  state_->openssl = std::make_unique<message_digest>(type, name_of(algorithm));
}

hasher::~hasher() = default;
hasher::hasher(hasher&&) noexcept = default;
hasher& hasher::operator=(hasher&&) noexcept = default;

void hasher::update(std::span<const std::byte> data) {
  while (!data.empty()) {
    const auto in_block = fingerprint::block_size - state_->length % fingerprint::block_size;
    const auto piece = data.first(std::min<std::uint64_t>(data.size(), in_block));
    state_->add(piece);
    data = data.subspan(piece.size());
  }
}

fingerprint hasher::finish() {
  auto& s = *state_;
  if (s.length % fingerprint::block_size != 0) s.blocks.push_back(s.block.finish());
  return {.algorithm = std::string(name_of(s.algorithm)),
          .value = s.openssl ? s.openssl->finish() : to_hex(s.whole.finish()),
          .length = s.length,
          .blocks = std::move(s.blocks)};
}

const std::vector<fingerprint::block_digest>& hasher::blocks() const noexcept {
  return state_->blocks;
}

}  // namespace nbdstream::stage
