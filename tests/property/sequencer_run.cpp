// SPDX-License-Identifier: BSD-3-Clause
#include "sequencer_run.hpp"

#include "plain_disk.hpp"
#include "small_host.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace nbdstream::test {
namespace {

using stream::order;

class sequencer_run {
 public:
  explicit sequencer_run(const script& s) : script_(s), disk_(s), host_(s) {}

  std::string play() {
    for (std::size_t i = 0; i < script_.ops.size() && going(); ++i) {
      perform(script_.ops[i], i);
    }
    if (going()) help_the_stuck();
    if (going()) finish();
    return wrong_;
  }

 private:
  [[nodiscard]] bool going() const { return wrong_.empty() && !host_.failed(); }

  template <class... T>
  void expect(bool is_so, fmt::format_string<T...> text, T&&... values) {
    if (!is_so && wrong_.empty()) wrong_ = fmt::format(text, std::forward<T>(values)...);
  }

  void perform(const op& o, std::size_t index) {
    host_.time_passes();
    send_ready(index);
    if (!going()) return;
    const auto cursor = host_.sent().size();
    const auto end = script_.size ? script_.reach() : plain_disk::nowhere;
    if (o.length == 0 || o.end() > end || host_.overlaps_unanswered(o)) return;
    auto clean = o;
    clean.dirty = false;
    const auto wanted = disk_.expect(clean, cursor);
    if (o.what == op::kind::read && wanted.error == 0) {
      expect(host_.read(o.offset, o.length) == disk_.read(o.offset, o.length),
             "request {}: other bytes are held", index);
    }
    if (!o.changes()) return;
    if (wanted.error == 0) disk_.apply(clean, index, cursor);
    const auto error = host_.ask(clean, index);
    const bool spill_is_full = error == ENOSPC && script_.spill && may_fail();
    expect(error == wanted.error || spill_is_full, "request {}: error {} instead of {}", index,
           error, wanted.error);
    send_ready(index);
  }

  void send_ready(std::size_t index) {
    if (!going()) return;
    host_.send_ready();
    expect_right(index, host_.check());
    if (host_.failed()) {
      expect(may_fail(), "request {}: the stream fails for no reason", index);
    } else {
      expect_right(index, disk_.check(host_.sent(), host_.barrier()));
      const bool passed = disk_.passed_over(host_.sent().size()) > 0;
      const bool gives_up = script_.mode == order::window && !script_.patient;
      expect(!passed || script_.mode == order::strict || (gives_up && !script_.refuse_gaps),
             "request {}: a gap was passed over", index);
      const bool may_wait = script_.patient && script_.mode == order::window;
      expect(!host_.anybody_waits() || may_wait || host_.anybody_late(),
             "request {} waits for ever", index);
    }
  }
  void expect_right(std::size_t index, const std::string& wrong) {
    expect(wrong.empty(), "request {}: {}", index, wrong);
  }

  /// Whether the window may be full while gaps are refused, or the spill file may be full.
  [[nodiscard]] bool may_fail() const {
    const auto cursor = host_.sent().size();
    if (script_.mode == order::window) {
      return script_.refuse_gaps && !script_.patient && disk_.weight(cursor) > script_.window / 2;
    }
    // A page may be shared by two extents, and counts for each.
    const auto shared = 4096 * script_.ops.size();
    return script_.spill && disk_.pages_written() + shared > *script_.spill;
  }

  void help_the_stuck() {
    auto index = script_.ops.size();
    for (int i = 0; i < 4 * 256 && going() && host_.barrier() != plain_disk::nowhere; ++i) {
      host_.time_passes();
      send_ready(index);
      const auto gap = disk_.first_gap(host_.sent().size());
      if (!host_.anybody_waits() || gap.begin >= gap.end || gap.end >= script_.reach()) continue;
      const auto begin = static_cast<std::uint32_t>(gap.begin);
      const auto length = static_cast<std::uint32_t>(gap.end - gap.begin);
      if (going()) perform({op::kind::zeroes, 0, begin, length}, ++index);
    }
    expect(host_.failed() || host_.barrier() == plain_disk::nowhere, "somebody waits for ever");
  }

  void finish() {
    host_.finish();
    const auto& order = host_.order();
    expect_right(script_.ops.size(), host_.check());
    expect(host_.sent() == disk_.stream(), "the stream is not the array");
    expect(order.named().missing_bytes() == disk_.missing(), "{} bytes unnamed instead of {}",
           order.named().missing_bytes(), disk_.missing());
    const auto& memory = order.memory();
    const auto least = stream::window::overhead;
    expect(memory.limit() < least || memory.fits(memory.limit() - least), "memory is still held");
  }

  const script& script_;
  plain_disk disk_;
  small_host host_;
  std::string wrong_;
};

}  // namespace

std::string run_sequencer(const script& s) {
  return sequencer_run(s).play();
}

}  // namespace nbdstream::test
