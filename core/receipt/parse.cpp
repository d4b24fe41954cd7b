// SPDX-License-Identifier: BSD-3-Clause
#include "receipt/parse.hpp"

#include "receipt/format.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <array>
#include <charconv>

namespace nbdstream::receipt {
namespace {

using boost::json::object;
using boost::json::value;
using config::digest_algorithm;

const value& member(const object& of, std::string_view name) {
  const auto* const found = of.if_contains(name);
  if (!found) throw error(fmt::format("it has no \"{}\"", name));
  return *found;
}

const object& object_of(const object& of, std::string_view name) {
  const auto* const found = member(of, name).if_object();
  if (!found) throw error(fmt::format("its \"{}\" is not an object", name));
  return *found;
}

std::string_view text_of(const object& of, std::string_view name) {
  const auto* const found = member(of, name).if_string();
  if (!found) throw error(fmt::format("its \"{}\" is not a string", name));
  return *found;
}

std::uint64_t number_of(const object& of, std::string_view name) {
  boost::system::error_code no_number;
  const auto number = member(of, name).to_number<std::uint64_t>(no_number);
  if (no_number) throw error(fmt::format("its \"{}\" is not a whole number of 0 or more", name));
  return number;
}

/// In the form in which they are written, too.
std::vector<std::byte> from_hex(std::string_view text, std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, failed] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (failed != std::errc() || end != text.data() + i + 2) break;
    bytes.push_back(static_cast<std::byte>(byte));
  }
  if (bytes.size() == size && stage::to_hex(bytes) == text) return bytes;
  throw error(fmt::format("it has a digest that is not made of {} lower-case hexadecimal digits",
                          2 * size));
}

/// And how many bytes its digests have.
digest_algorithm algorithm_named(std::string_view name, std::size_t& size) {
  constexpr std::array known{std::pair(digest_algorithm::sha256, std::size_t{32}),
                             std::pair(digest_algorithm::blake2b, std::size_t{64}),
                             std::pair(digest_algorithm::xxh3, std::size_t{16})};
  for (const auto& [algorithm, bytes] : known) {
    if (stage::name_of(algorithm) != name) continue;
    size = bytes;
    return algorithm;
  }
  throw error("its digest is of an algorithm that is not known here");
}

std::vector<stage::fingerprint::block_digest> blocks_of(const object& blocks,
                                                        std::uint64_t length) {
  constexpr auto size = stage::fingerprint::block_size;
  if (text_of(blocks, "algorithm") != block_algorithm || number_of(blocks, "bytes") != size) {
    throw error("its blocks are of a kind that is not known here");
  }
  const auto* const values = member(blocks, "values").if_array();
  const auto expected = length / size + (length % size > 0 ? 1 : 0);
  if (!values || values->size() != expected) {
    throw error(fmt::format("it does not have the {} blocks of {} bytes", expected, length));
  }
  std::vector<stage::fingerprint::block_digest> all(values->size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto* const text = (*values)[i].if_string();
    const auto bytes = from_hex(text ? std::string_view(*text) : "", all[i].size());
    std::ranges::copy(bytes, all[i].begin());
  }
  return all;
}

}  // namespace

expectation parse(std::string_view json) {
  boost::system::error_code malformed;
  const auto root = boost::json::parse(json, malformed);
  if (malformed) throw error(fmt::format("it is no JSON: {}", malformed.message()));
  const auto* const receipt = root.if_object();
  if (!receipt || !receipt->contains(version_key)) {
    throw error(fmt::format("it is not a receipt: it has no \"{}\"", version_key));
  }
  const auto found = number_of(*receipt, version_key);
  if (found != version) {
    throw error(fmt::format("it is a receipt of version {}, and this program knows version {} only",
                            found, version));
  }
  expectation e;
  const auto& digest = object_of(*receipt, "digest");
  std::size_t size = 0;
  e.algorithm = algorithm_named(text_of(digest, "algorithm"), size);
  e.print.algorithm = stage::name_of(e.algorithm);
  e.print.value = stage::to_hex(from_hex(text_of(digest, "value"), size));
  e.print.length = number_of(*receipt, "length_bytes");
  e.print.blocks = blocks_of(object_of(*receipt, "blocks"), e.print.length);
  const auto* const compression = receipt->if_contains("compression");
  e.compressed = compression && !compression->is_null();
  return e;
}

}  // namespace nbdstream::receipt
