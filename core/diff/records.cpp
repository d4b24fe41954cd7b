// SPDX-License-Identifier: BSD-3-Clause
#include "diff/records.hpp"

#include <boost/endian/conversion.hpp>

#include <cstring>
#include <span>

namespace nbdstream::diff {
namespace {

void append(std::vector<std::byte>& to, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <class Number>
void append_number(std::vector<std::byte>& to, Number value) {
  boost::endian::native_to_little_inplace(value);
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_name(std::vector<std::byte>& to, tag what, std::string_view name) {
  to.push_back(static_cast<std::byte>(what));
  append_number(to, static_cast<std::uint32_t>(name.size()));
  append(to, name);
}

std::array<std::byte, record_size> encode_record(tag what, std::uint64_t offset,
                                                 std::uint64_t length) {
  std::array<std::byte, record_size> record{static_cast<std::byte>(what)};
  boost::endian::native_to_little_inplace(offset);
  boost::endian::native_to_little_inplace(length);
  std::memcpy(&record[1], &offset, sizeof offset);
  std::memcpy(&record[1 + sizeof offset], &length, sizeof length);
  return record;
}

}  // namespace

std::vector<std::byte> encode(const header& h) {
  std::vector<std::byte> bytes;
  append(bytes, magic);
  if (h.from) append_name(bytes, tag::from_snapshot, *h.from);
  if (h.to) append_name(bytes, tag::to_snapshot, *h.to);
  bytes.push_back(static_cast<std::byte>(tag::size));
  append_number(bytes, h.size);
  return bytes;
}

std::array<std::byte, record_size> encode_data(std::uint64_t offset, std::uint64_t length) {
  return encode_record(tag::data, offset, length);
}

std::array<std::byte, record_size> encode_zeroes(std::uint64_t offset, std::uint64_t length) {
  return encode_record(tag::zeroes, offset, length);
}

}  // namespace nbdstream::diff
