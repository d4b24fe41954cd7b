// SPDX-License-Identifier: BSD-3-Clause
//
// The model: an array, which of its bytes were covered by requests, and what follows for the
// stream.
#ifndef NBDSTREAM_TESTS_PROPERTY_PLAIN_DISK_HPP
#define NBDSTREAM_TESTS_PROPERTY_PLAIN_DISK_HPP

#include "script.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::test {

/// The expected result of a request.
struct expectation {
  int error = 0;
  bool fails_stream = false;
};

class plain_disk {
 public:
  static constexpr std::uint64_t nowhere = std::numeric_limits<std::uint64_t>::max();

  explicit plain_disk(const script& s);

  /// The expected result of `o` when the stream is open and `cursor` bytes were sent.
  [[nodiscard]] expectation expect(const op& o, std::uint64_t cursor) const;

  /// Applies `o`, the `index`th request, which the server accepted.
  void apply(const op& o, std::size_t index, std::uint64_t cursor);

  /// The result of a READ of bytes that were not sent yet.
  [[nodiscard]] std::string read(std::uint64_t offset, std::uint64_t length) const;

  /// How many bytes no request has covered after the last request. WRITE and WRITE_ZEROES cover
  /// bytes; TRIM is a hint and does not.
  [[nodiscard]] std::uint64_t missing() const;
  /// Whether full coverage proves that the client was not interrupted. It does not if data have
  /// replaced zeroes, since a client that clears the disk first has covered all of it before it
  /// copies. Zeroes of a request inside the first MiB may be replaced.
  [[nodiscard]] bool proven() const { return missing() == 0 && !cleared_first_; }
  /// Whether there is a stream. TRIM alone begins none.
  [[nodiscard]] bool exists() const { return script_.before > 0 || any_named_; }
  /// The whole stream.
  [[nodiscard]] std::string stream() const;

  /// Whether `sent`, the bytes that the sink has, is right. Returns "", or what is wrong. Requests
  /// from `barrier` on have not arrived yet.
  [[nodiscard]] std::string check(std::string_view sent, std::uint64_t barrier);

  /// The first bytes from `cursor` on that no request has changed, up to the next changed byte.
  struct gap {
    std::uint64_t begin, end;
  };
  [[nodiscard]] gap first_gap(std::uint64_t cursor) const;
  /// How many bytes before `cursor` no request has changed.
  [[nodiscard]] std::uint64_t passed_over(std::uint64_t cursor) const;

  /// The largest memory that held writes can take: if all accepted bytes that were not sent are
  /// held.
  [[nodiscard]] std::uint64_t weight(std::uint64_t cursor) const;
  /// The payload of all writes, in whole pages of a file.
  [[nodiscard]] std::uint64_t pages_written() const;

 private:
  static constexpr std::uint64_t first_mib = 1 << 20;
  enum class kind : char { untouched, zero, data };
  /// The kinds of requests that have covered a byte.
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
  std::uint64_t end_ = 0;  ///< of the last byte that was covered or sent
  bool any_named_ = false;
  bool cleared_first_ = false;
  std::uint64_t cleared_from_ = first_mib;  ///< by a request that reached beyond the first MiB
  std::uint64_t checked_to_ = 0;
};

}  // namespace nbdstream::test
#endif
