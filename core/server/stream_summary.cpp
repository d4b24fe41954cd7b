// SPDX-License-Identifier: BSD-3-Clause
#include "server/stream_summary.hpp"

#include "status/quantities.hpp"

#include <fmt/format.h>

#include <string_view>

namespace nbdstream {
namespace {

/// Bytes of the stream a second; 0 where it took no time.
double rate_of(const status::outcome& o) {
  return o.took.count() > 0 ? static_cast<double>(o.count.sent) / o.took.count() : 0;
}

/// "in 0.12 s at 70.1 MiB/s, 98 % spliced".
std::string speed(const status::outcome& o) {
  std::string text = fmt::format("in {:.2f} s", o.took.count());
  if (o.count.sent > 0) text += " at " + status::format_bytes(rate_of(o)) + "/s";
  if (o.count.payload > 0) {
    const auto share =
        static_cast<double>(o.count.spliced) / static_cast<double>(o.count.payload) * 100;
    text += fmt::format(", {:.0f} % spliced", share);
  }
  return text;
}

std::string most_held(const stream_summary& s) {
  return fmt::format("most held at once: {} bytes in memory, {} bytes spilled", s.held_memory_peak,
                     s.held_spill_peak);
}

std::string committed(const stream_summary& s) {
  const auto& count = s.ended.count;
  std::string text = fmt::format("committed, {} bytes", count.sent);
  if (s.named) {
    text += fmt::format(" of rbd-diff, {} of them data, covering {} bytes of the disk",
                        count.payload, *s.named);
  } else {
    text += fmt::format(", {} of them zeroes that no payload carried", count.zeroes);
  }
  if (count.compressed > 0) text += fmt::format(", compressed to {} bytes", count.compressed);
  text += fmt::format(", {}; ", speed(s.ended));
  if (s.ahead > 0 && s.distance == 0) {
    text += "in order; " + most_held(s);
  } else if (s.ahead > 0) {
    text += fmt::format("{} {} came ahead of the stream, by up to {} bytes; {}", s.ahead,
                        s.ahead == 1 ? "write" : "writes", s.distance, most_held(s));
  } else {
    text += s.named ? "as it came" : "in order";
  }
  const auto& digest = s.ended.digest;  // "ALGORITHM:HEX"
  const auto colon = digest.find(':');
  if (colon != digest.npos) {
    text += fmt::format("; {} {}", digest.substr(0, colon), digest.substr(colon + 1));
  }
  return text;
}

std::string aborted(const stream_summary& s) {
  const auto& count = s.ended.count;
  const auto when =
      count.sent == 0 ? "before anything was sent" : fmt::format("after {} bytes", count.sent);
  std::string figures = speed(s.ended);
  if (count.zeroes > 0) figures = fmt::format("{} of them zeroes, ", count.zeroes) + figures;
  if (s.held_memory_peak > 0 || s.held_spill_peak > 0) figures += "; " + most_held(s);
  return fmt::format("aborted {}: {} ({})", when, s.ended.reason, figures);
}

}  // namespace

std::string stream_summary::text() const {
  return ended.committed ? committed(*this) : aborted(*this);
}

std::vector<log::field> stream_summary::fields() const {
  const auto& count = ended.count;
  std::vector<log::field> all{
      {"outcome", std::string_view(ended.committed ? "committed" : "aborted")},
      {"unique_id", std::string_view(ended.unique_id)},
      {"sent_bytes", count.sent},
      {"compressed_bytes", count.compressed},
      {"payload_bytes", count.payload},
      {"zero_bytes", count.zeroes},
      {"spliced_bytes", count.spliced},
      {"spilled_bytes", count.spilled},
      {"seconds", ended.took.count()},
      {"average_bytes_per_second", rate_of(ended)},
      {"held_memory_peak_bytes", held_memory_peak},
      {"held_spill_peak_bytes", held_spill_peak}};
  if (!ended.reason.empty()) all.push_back({"reason", std::string_view(ended.reason)});
  if (!ended.digest.empty()) all.push_back({"digest", std::string_view(ended.digest)});
  if (connection) all.push_back({"connection", *connection});
  if (offset) all.push_back({"offset", *offset});
  return all;
}

}  // namespace nbdstream
