// SPDX-License-Identifier: BSD-3-Clause
//
// Processes to look at, in which each figure has a value of its own.
#ifndef NBDSTREAM_TESTS_STATUS_EXAMPLES_HPP
#define NBDSTREAM_TESTS_STATUS_EXAMPLES_HPP

#include "status/snapshot.hpp"

#include <chrono>
#include <string>

namespace nbdstream::status {

/// 2026-11-27T06:00:00Z and so many milliseconds.
inline wall_clock::time_point at(int milliseconds) {
  using std::chrono::seconds;
  return wall_clock::time_point(seconds(1795759200)) + std::chrono::milliseconds(milliseconds);
}

inline open_stream streaming_now() {
  return {.id = 3,
          .unique_id = std::string(32, '3'),
          .count = {.sent = 1001,
                    .compressed = 406,
                    .payload = 702,
                    .zeroes = 303,
                    .spliced = 504,
                    .spilled = 105},
          .done = 1005,
          .total = 4000,
          .held_memory = 61,
          .held_memory_peak = 62,
          .held_spill = 63,
          .held_spill_peak = 64,
          .acknowledged = 65,
          .writers = 2,
          .began = at(1500),
          .age = seconds(8.25),
          .map = {4096, "#0m."}};
}

inline exported streaming_export(std::string name = "vm1") {
  exported e;
  e.name = std::move(name);
  e.description = "the first";
  e.sink = "fifo";
  e.size = 4096;
  e.now = state::streaming;
  e.streams = 0;
  e.committed = 5;
  e.aborted = 1;
  e.last_commit = at(1250);
  e.count = {.sent = 90001,
             .compressed = 40006,
             .payload = 70002,
             .zeroes = 30003,
             .spliced = 50004,
             .spilled = 10005};
  e.current = streaming_now();
  e.recent = {{.id = 1,
               .unique_id = std::string(32, '1'),
               .committed = false,
               .reason = "the reader went away",
               .count = {},
               .began = at(0),
               .ended = at(250),
               .took = seconds(0.25),
               .digest = {}},
              {.id = 2,
               .unique_id = std::string(32, '2'),
               .committed = true,
               .reason = "",
               .count = {.sent = 11,
                         .compressed = 16,
                         .payload = 12,
                         .zeroes = 13,
                         .spliced = 14,
                         .spilled = 15},
               .began = at(500),
               .ended = at(1250),
               .took = seconds(0.75),
               .digest = "sha256:00ff"}};
  e.speed = {.now = 200, .average = 121.8, .remaining = seconds(18.6), .history = {100, 200.4}};
  return e;
}

inline exported idle_export(std::string name = "idle") {
  exported e;
  e.name = std::move(name);
  e.sink = "null";
  return e;
}

inline exported ended_export(std::string name = "ended") {
  auto e = idle_export(std::move(name));
  e.now = state::ended;
  e.committed = 1;
  e.last_commit = at(1250);
  e.count = {
      .sent = 21, .compressed = 26, .payload = 22, .zeroes = 23, .spliced = 24, .spilled = 25};
  e.recent = {streaming_export().recent.back()};
  return e;
}

inline process example(std::vector<exported> exports) {
  return {.version = "1.2.3",
          .id = 77,
          .now = at(9750),
          .began = at(-500),
          .stopping = false,
          .exports = std::move(exports),
          .connections = {{.id = 4, .export_name = "vm1", .writes = true, .written = 1007}}};
}

}  // namespace nbdstream::status
#endif
