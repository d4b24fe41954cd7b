// SPDX-License-Identifier: BSD-3-Clause
//
// Which diffs may follow which, and which of them a target can take.
#ifndef NBDSTREAM_RESTORE_CHAIN_HPP
#define NBDSTREAM_RESTORE_CHAIN_HPP

#include "diff/records.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::restore {

/// What is known of the snapshot that a target holds.
struct snapshot_state {
  enum class kind {
    never_kept,  ///< there is no place to keep its name
    unknown,     ///< nobody has written it down
    known,       ///< `name`
    interrupted  ///< an apply was interrupted, which had begun from `name`, if that is not empty
  };
  kind what = kind::unknown;
  std::string name{};

  friend bool operator==(const snapshot_state&, const snapshot_state&) = default;
};

/// The diffs that were seen one after another, as they lead from one snapshot to the next.
class chain {
 public:
  /// `where`: the input that the diff is in. Throws failure where it does not go on where the one
  /// before ended, or makes the disk smaller.
  void add(const diff::header& next, const std::string& where);

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  /// The first one.
  [[nodiscard]] const diff::header& first() const noexcept { return first_; }
  [[nodiscard]] bool is_full() const noexcept { return !first_.from; }
  /// The snapshot that the last one leads to.
  [[nodiscard]] const std::optional<std::string>& to() const noexcept { return last_.to; }
  /// Of the disk, at its end.
  [[nodiscard]] std::uint64_t size() const noexcept { return last_.size; }

 private:
  diff::header first_;
  diff::header last_;
  std::uint64_t count_ = 0;
};

/// Throws failure where an incremental diff does not begin from what the target holds. `said`: what
/// the user says that this is, which wins over what is written down.
void check_snapshot(const std::string& target, const diff::header& first,
                    const snapshot_state& held, const std::optional<std::string>& said);

/// How a target takes a disk of another size.
enum class growth { impossible, not_allowed, allowed };

/// Throws failure where a disk of `wanted` bytes cannot become of one that has `is`.
void check_size(const std::string& target, std::uint64_t is, std::uint64_t wanted, growth may);

}  // namespace nbdstream::restore
#endif
