// SPDX-License-Identifier: BSD-3-Clause
//
// Diffs for tests: built record by record, and a disk as a plain array that goes along with them.
#ifndef NBDSTREAM_TESTS_SUPPORT_DIFF_STREAM_HPP
#define NBDSTREAM_TESTS_SUPPORT_DIFF_STREAM_HPP

#include "diff/records.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace nbdstream::test {

/// The bytes of a diff, and what they make of the disk that they begin from.
class diff_stream {
 public:
  explicit diff_stream(const diff::header& h, std::string before = {}) : disk_(std::move(before)) {
    append(diff::encode(h));
    disk_.resize(h.size);
  }

  diff_stream& data(std::uint64_t offset, std::string_view bytes) {
    append(diff::encode_data(offset, bytes.size()));
    bytes_ += bytes;
    disk_.replace(offset, bytes.size(), bytes);
    return *this;
  }
  diff_stream& zeroes(std::uint64_t offset, std::uint64_t length) {
    append(diff::encode_zeroes(offset, length));
    disk_.replace(offset, length, std::string(length, '\0'));
    return *this;
  }
  /// A record whose numbers may be anything, without its data.
  diff_stream& raw_record(char tag, std::uint64_t offset, std::uint64_t length) {
    auto record = diff::encode_data(offset, length);
    record.front() = static_cast<std::byte>(tag);
    append(record);
    return *this;
  }
  diff_stream& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }

  [[nodiscard]] std::string unfinished() const { return bytes_; }
  [[nodiscard]] std::string whole() const { return bytes_ + 'e'; }
  [[nodiscard]] const std::string& disk() const { return disk_; }

 private:
  template <class Bytes>
  void append(const Bytes& bytes) {
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  std::string bytes_;
  std::string disk_;
};

/// A diff from `from` (none: a full one) to `to` with so many records at random, which overlap.
inline diff_stream random_diff(std::mt19937& random, const std::string& before, std::uint64_t size,
                               std::optional<std::string> from, std::string to, int records) {
  const bool full = !from;
  diff_stream made({std::move(from), std::move(to), size}, full ? std::string(size, '\0') : before);
  for (int i = 0; i < records; ++i) {
    const std::uint64_t offset = random() % (size + 1);
    const std::uint64_t length = std::min<std::uint64_t>(size - offset, random() % (size / 4 + 1));
    if (random() % 3 == 0) {
      made.zeroes(offset, length);
      continue;
    }
    std::string bytes(length, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    made.data(offset, bytes);
  }
  return made;
}

}  // namespace nbdstream::test
#endif
