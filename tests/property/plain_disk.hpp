// SPDX-License-Identifier: BSD-3-Clause
//
// The model: an array, who named which of its bytes, and what follows for the stream.
#ifndef NBDSTREAM_TESTS_PROPERTY_PLAIN_DISK_HPP
#define NBDSTREAM_TESTS_PROPERTY_PLAIN_DISK_HPP

#include "script.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::test {

/// What must become of a request.
struct expectation {
  int error = 0;
  bool fails_stream = false;
};

class plain_disk {
 public:
  static constexpr std::uint64_t nowhere = std::numeric_limits<std::uint64_t>::max();

  explicit plain_disk(const script& s);

  /// For a stream that is open and has sent `cursor` bytes.
  [[nodiscard]] expectation expect(const op& o, std::uint64_t cursor) const;

  /// The `index`th request was taken.
  void apply(const op& o, std::size_t index, std::uint64_t cursor);

  /// What a READ of bytes not yet sent gives.
  [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t length) const;

  /// The bytes that nobody named, once no request comes any more.
  [[nodiscard]] std::uint64_t missing() const;
  /// The whole stream.
  [[nodiscard]] std::string stream() const;

  /// Whether `sent`, what the sink has by now, is what it should be; "" or what is wrong. Requests
  /// from `barrier` on are not there yet.
  [[nodiscard]] std::string check(std::string_view sent, std::uint64_t barrier);

  /// The first bytes from `cursor` on that nobody has named, up to one that somebody has.
  struct gap {
    std::uint64_t begin, end;
  };
  [[nodiscard]] gap first_gap(std::uint64_t cursor) const;
  /// How many bytes before `cursor` nobody has named.
  [[nodiscard]] std::uint64_t passed_over(std::uint64_t cursor) const;

  /// What held writes can cost at most, if all that were taken and not sent are held.
  [[nodiscard]] std::uint64_t weight(std::uint64_t cursor) const;
  /// The payload of all writes, in whole pages of a file.
  [[nodiscard]] std::uint64_t pages_written() const;

 private:
  enum class kind : char { unnamed, zero, data };
  struct extent {
    std::uint64_t begin, end;
  };
  [[nodiscard]] std::string check_held(std::uint64_t cursor, std::uint64_t barrier) const;

  const script& script_;
  std::string bytes_;
  std::vector<kind> kinds_;
  std::vector<extent> writes_;
  std::uint64_t named_to_ = 0;
  std::uint64_t checked_to_ = 0;
};

}  // namespace nbdstream::test
#endif
