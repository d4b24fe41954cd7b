// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_TESTS_UNIT_STREAM_VERDICT_SUPPORT_HPP
#define NBDSTREAM_TESTS_UNIT_STREAM_VERDICT_SUPPORT_HPP

#include "stream/verdict.hpp"

#include <string>

namespace nbdstream::stream {

using namespace std::chrono_literals;
using verdict_state = verdict::state;
inline constexpr verdict::time_point start{1000s};

inline coverage all_named() {
  coverage c;
  c.add_named();
  return c;
}
inline coverage some_missing() {
  auto c = all_named();
  c.add_hole(0, 512);
  return c;
}
inline coverage zeroes_overwritten() {
  auto c = all_named();
  c.add_overwritten(2 << 20, 3 << 20);
  return c;
}

inline completeness by_run() {
  completeness c;
  c.decided_by_run = true;
  c.run_grace = 10s;
  return c;
}
inline completeness by_coverage() {
  completeness c;
  c.refuse_gaps = true;
  return c;
}
inline completeness by_being_told() {
  completeness c;
  c.told = true;
  return c;
}

/// Events, one letter each: j joined, d data came; c, e, m disconnected cleanly, by end of file,
/// inside a request; 0, 1 the command of --run exited with that status; n no more clients; f
/// failed; s stopped; t told to commit, when `named` was named.
inline void play(verdict& v, const std::string& events, const coverage& named = all_named()) {
  for (const char event : events) {
    switch (event) {
      case 'j': v.joined(); break;
      case 'd': v.data_came(); break;
      case 'c': v.left(disconnect::clean, "x", start); break;
      case 'e': v.left(disconnect::eof, "x", start); break;
      case 'm': v.left(disconnect::mid_request, "x", start); break;
      case '0': v.run_exited(0, {}, start); break;
      case '1': v.run_exited(1, "the command failed", start); break;
      case 'n': v.no_more_clients(); break;
      case 'f': v.fail("a request failed"); break;
      case 's': v.stop("a signal"); break;
      default: (void)v.told_to_commit(named); break;
    }
  }
}

}  // namespace nbdstream::stream
#endif
