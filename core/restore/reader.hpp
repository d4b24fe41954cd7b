// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_READER_HPP
#define NBDSTREAM_RESTORE_READER_HPP

#include "diff/parser.hpp"
#include "restore/byte_input.hpp"
#include "restore/failure.hpp"

#include <vector>

namespace nbdstream::restore {

/// An input is no diff, or only the beginning of one.
struct broken_diff : failure {
  broken_diff(const std::string& name, const diff::fault& why);
};

/// The diffs of one input, from its beginning on.
class reader {
 public:
  enum class event { header, data, zeroes, end, finished };

  explicit reader(byte_input& from);

  /// What comes next; of the data before, what was not read is passed over. Throws broken_diff.
  [[nodiscard]] event next();

  [[nodiscard]] const diff::header& head() const noexcept { return parser_.head(); }
  [[nodiscard]] const diff::range& record() const noexcept { return parser_.record(); }
  /// Where the payload of the record goes on in the input.
  [[nodiscard]] std::uint64_t position() const noexcept { return parser_.position(); }

  /// Fills the front of `into` with the data of the record, or with as much of them as is left.
  /// Returns that part. Throws broken_diff where the input ends before.
  [[nodiscard]] std::span<const std::byte> read_data(std::span<std::byte> into);

 private:
  void skip_data();
  void refill();
  [[noreturn]] void refuse_end() const;

  byte_input& from_;
  diff::parser parser_;
  std::vector<std::byte> buffer_;
  std::span<const std::byte> left_;  ///< of the buffer
};

}  // namespace nbdstream::restore
#endif
