// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_STAGE_UNDER_WAY_HPP
#define NBDSTREAM_STAGE_UNDER_WAY_HPP

#include "io/condition.hpp"

namespace nbdstream::stage {

/// Marks an operation of a stage as under way, for as long as it lives. Both are borrowed.
class under_way {
 public:
  under_way(bool& mark, io::condition& changed) noexcept : mark_(mark), changed_(changed) {
    mark_ = true;
  }
  ~under_way() {
    mark_ = false;
    changed_.notify_all();
  }
  under_way(const under_way&) = delete;
  under_way& operator=(const under_way&) = delete;

 private:
  bool& mark_;
  io::condition& changed_;
};

}  // namespace nbdstream::stage
#endif
