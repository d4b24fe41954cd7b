// SPDX-License-Identifier: BSD-3-Clause
#include "stage/hasher.hpp"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace nbdstream::stage {
namespace {

using config::digest_algorithm;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string digest_of(digest_algorithm a, std::string_view text) {
  hasher h(a);
  h.update(bytes_of(text));
  return h.finish().value;
}

/// In one call, where the hasher makes many.
fingerprint::block_digest xxh3_of(std::string_view text) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(text.data(), text.size()));
  fingerprint::block_digest d;
  std::ranges::copy(std::as_bytes(std::span(canonical.digest)), d.begin());
  return d;
}

// As `printf abc | sha256sum`, `b2sum` and `xxh128sum` print them.
TEST(Hasher, GivesThePublishedDigests) {
  EXPECT_EQ(digest_of(digest_algorithm::sha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of(digest_algorithm::blake2b, "abc"),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  EXPECT_EQ(digest_of(digest_algorithm::xxh3, "abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(digest_of(digest_algorithm::xxh3, ""), "99aa06d3014798d86001c324468d497f");
}

TEST(Hasher, OfNothingHasNoBlocks) {
  hasher h(digest_algorithm::sha256);
  const auto print = h.finish();
  EXPECT_EQ(print.length, 0u);
  EXPECT_TRUE(print.blocks.empty());
  EXPECT_EQ(print.algorithm, "sha256");
}

TEST(Hasher, HasADigestOfEachBlockAndOfTheRestHoweverTheBytesCome) {
  constexpr auto block = fingerprint::block_size;
  std::string text(block + 12'345, 'x');
  for (std::size_t i = 0; i < text.size(); i += 4096) text[i] = static_cast<char>(i >> 12);
  const std::string_view all(text);
  for (const std::size_t piece : {text.size(), std::size_t{1'000'003}}) {
    hasher h(digest_algorithm::xxh3);
    for (std::size_t at = 0; at < text.size(); at += piece)
      h.update(bytes_of(all.substr(at, piece)));
    EXPECT_EQ(h.blocks().size(), 1u);
    const auto print = h.finish();
    EXPECT_EQ(print.length, text.size());
    ASSERT_EQ(print.blocks.size(), 2u);
    EXPECT_EQ(print.blocks[0], xxh3_of(all.substr(0, block)));
    EXPECT_EQ(print.blocks[1], xxh3_of(all.substr(block)));
    EXPECT_EQ(print.value, to_hex(xxh3_of(all)));
  }
}

TEST(Hasher, HasNoEmptyBlockAtTheEnd) {
  hasher h(digest_algorithm::xxh3);
  const std::string block(fingerprint::block_size, '\0');
  h.update(bytes_of(block));
  EXPECT_EQ(h.finish().blocks.size(), 1u);
}

}  // namespace
}  // namespace nbdstream::stage
