// SPDX-License-Identifier: BSD-3-Clause
//
// What is counted and measured: each figure has its names, its meaning and where it is found in
// the snapshot here, once. JSON and metrics are made of these tables.
#ifndef NBDSTREAM_STATUS_FIGURES_HPP
#define NBDSTREAM_STATUS_FIGURES_HPP

#include "status/snapshot.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace nbdstream::status {

template <class Source, class Value = std::uint64_t>
struct figure {
  std::string_view name;    ///< in JSON, with its unit: "held_memory_bytes"
  std::string_view family;  ///< in metrics, after "nbdstream_stream_": figures may share one,
  std::string_view label;   ///< and differ by this there: `where="memory"`
  std::string_view help;
  Value Source::*value;
};

/// They only increase. In metrics they count all streams of an export.
constexpr std::array counted{
    figure<counters>{"sent_bytes", "sent_bytes", "",
                     "Bytes of streams that were sent, counted before compression.",
                     &counters::sent},
    figure<counters>{"compressed_bytes", "compressed_bytes", "",
                     "Bytes that compressed streams became; 0 without compression.",
                     &counters::compressed},
    figure<counters>{"payload_bytes", "payload_bytes", "",
                     "Bytes among those sent that clients sent as data.", &counters::payload},
    figure<counters>{"zero_bytes", "zero_bytes", "",
                     "Bytes of the disk that were passed on as zeroes.", &counters::zeroes},
    figure<counters>{"spliced_bytes", "spliced_bytes", "",
                     "Bytes of payload that the kernel moved, without a copy.", &counters::spliced},
    figure<counters>{"spilled_bytes", "spilled_bytes", "",
                     "Bytes of payload that were in the spill file meanwhile.",
                     &counters::spilled}};

/// Of a stream that is open; 0 where none is.
constexpr std::array measured{
    figure<open_stream>{"done_bytes", "done_bytes", "",
                        "Bytes of the disk that are done with, of the stream that is open.",
                        &open_stream::done},
    figure<open_stream>{"held_memory_bytes", "held_bytes", R"(where="memory")",
                        "Bytes that are held, since what stands before them is missing.",
                        &open_stream::held_memory},
    figure<open_stream>{"held_spill_bytes", "held_bytes", R"(where="spill")", "",
                        &open_stream::held_spill},
    figure<open_stream>{"held_memory_peak_bytes", "held_peak_bytes", R"(where="memory")",
                        "The most bytes that the open stream has held.",
                        &open_stream::held_memory_peak},
    figure<open_stream>{"held_spill_peak_bytes", "held_peak_bytes", R"(where="spill")", "",
                        &open_stream::held_spill_peak},
    figure<open_stream>{"writers", "writers", "",
                        "Connections that have written to the open stream and are there.",
                        &open_stream::writers}};

/// Of a stream that is open, where its sink tells that.
constexpr std::array told{figure<open_stream, std::optional<std::uint64_t>>{
    "acknowledged_bytes", "acknowledged_bytes", "",
    "Bytes of the open stream that are safe with the other side of the sink.",
    &open_stream::acknowledged}};

}  // namespace nbdstream::status
#endif
