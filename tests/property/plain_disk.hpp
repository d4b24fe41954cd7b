// SPDX-License-Identifier: BSD-3-Clause
//
// The model: an array, which of its bytes were named, and what follows for the stream.
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

  /// How many bytes were never named, once no request comes any more. A WRITE names, and
  /// WRITE_ZEROES; TRIM is a hint.
  [[nodiscard]] std::uint64_t missing() const;
  /// Whether that all bytes were named shows that the client was not interrupted. It does not where
  /// data have replaced zeroes: who clears a disk first has named all of it before it begins. For
  /// zeroes of a request that lies in the first MiB that is nothing unusual.
  [[nodiscard]] bool proven() const { return missing() == 0 && !cleared_first_; }
  /// Whether there is a stream: TRIM alone makes none.
  [[nodiscard]] bool exists() const { return script_.before > 0 || any_named_; }
  /// The whole stream.
  [[nodiscard]] std::string stream() const;

  /// Whether `sent`, what the sink has by now, is what it should be; "" or what is wrong. Requests
  /// from `barrier` on are not there yet.
  [[nodiscard]] std::string check(std::string_view sent, std::uint64_t barrier);

  /// The first bytes from `cursor` on that nobody has changed, up to one that somebody has.
  struct gap {
    std::uint64_t begin, end;
  };
  [[nodiscard]] gap first_gap(std::uint64_t cursor) const;
  /// How many bytes before `cursor` nobody has changed.
  [[nodiscard]] std::uint64_t passed_over(std::uint64_t cursor) const;

  /// What held writes can cost at most, if all that were taken and not sent are held.
  [[nodiscard]] std::uint64_t weight(std::uint64_t cursor) const;
  /// The payload of all writes, in whole pages of a file.
  [[nodiscard]] std::uint64_t pages_written() const;

 private:
  static constexpr std::uint64_t first_mib = 1 << 20;
  enum class kind : char { untouched, zero, data };
  /// Which requests have named a byte.
  struct names {
    bool zeroes = false, data = false;
  };
  struct extent {
    std::uint64_t begin, end;
  };
  [[nodiscard]] std::string check_held(std::uint64_t cursor, std::uint64_t barrier) const;

  const script& script_;
  std::string bytes_;
  std::vector<kind> kinds_;
  std::vector<names> names_;
  std::vector<extent> writes_;
  std::uint64_t end_ = 0;  ///< of the last byte that was named, or sent
  bool any_named_ = false;
  bool cleared_first_ = false;
  std::uint64_t cleared_from_ = first_mib;  ///< by a request that reached beyond the first MiB
  std::uint64_t checked_to_ = 0;
};

}  // namespace nbdstream::test
#endif
