// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STATUS_SPEEDOMETER_HPP
#define NBDSTREAM_STATUS_SPEEDOMETER_HPP

#include "status/snapshot.hpp"

#include <chrono>
#include <cstdint>
#include <deque>

namespace nbdstream::status {

/// How fast one export is, from looks at it at a few moments. Pure: the caller knows the time.
class speedometer {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// At `now` the export is as `e` says. Calls come in the order of time, about one a second.
  void look(const exported& e, time_point now);
  /// Of the stream that `e` has open; all 0 where there is none.
  [[nodiscard]] rates read(const exported& e) const;

 private:
  struct sample {
    time_point at;
    std::uint64_t done;  ///< bytes of the disk, of all streams that were seen
  };
  std::uint64_t stream_ = 0;       ///< the id of the one that was seen last,
  std::uint64_t stream_done_ = 0;  ///< its bytes then,
  std::uint64_t all_done_ = 0;     ///< and those of all together
  std::deque<sample> samples_;     ///< one for each history_interval
  std::deque<sample> last_;        ///< of the last seconds
};

}  // namespace nbdstream::status
#endif
