// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_PROGRESS_HPP
#define NBDSTREAM_RESTORE_PROGRESS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace nbdstream::restore {

/// How far it is, on stderr, at most once a second: one line that changes where that is a terminal,
/// a line each time where it is not.
class progress {
 public:
  /// `wanted`: also where stderr is no terminal. `total`: bytes, where it is known.
  progress(bool wanted, std::string what, std::optional<std::uint64_t> total);
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  /// Leaves no half line for what is said next.
  ~progress();

  void add(std::uint64_t bytes);
  /// That was all.
  void finish();

 private:
  void show();

  bool terminal_;
  bool wanted_;
  std::string what_;
  std::optional<std::uint64_t> total_;
  std::uint64_t done_ = 0;
  bool open_line_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace nbdstream::restore
#endif
