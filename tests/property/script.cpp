// SPDX-License-Identifier: BSD-3-Clause
#include "script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace nbdstream::test {
namespace {

/// How the clients of a script choose their offsets.
enum class write_order : std::uint8_t {
  ascending,  ///< in order, now and then a little ahead or behind
  shuffled,   ///< every block once, in an order of its own
  anywhere    ///< overlaps and gaps
};

class maker {
 public:
  maker(choices& from, script& s) : from_(from), script_(s) {
    constexpr std::array<std::uint32_t, 4> blocks{1, 33, 64, 200};
    block_ = blocks[from_.below(blocks.size())];
    clients_ = 1 + from_.below(script::most_clients);
    write_order_ = static_cast<write_order>(from_.below(3));
    count_ = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(s.reach()) / block_);
    step_ = 1 + 2 * from_.below(50);
    if (from_.one_in(4)) {
      const auto first = from_.one_in(2) ? op::kind::trim : op::kind::zeroes;
      add(first, 0, static_cast<std::uint32_t>(s.reach()));
    }
  }

  void add_one() {
    const auto which = from_.below(16);
    if (which == 15) {
      add(from_.one_in(6) ? op::kind::disc : op::kind::flush, 0, 0);
      return;
    }
    const auto what = which < 8    ? op::kind::write
                      : which < 11 ? op::kind::zeroes
                      : which < 12 ? op::kind::trim
                                   : op::kind::read;
    const auto offset = what == op::kind::read ? anywhere() : next_offset(what);
    add(what, offset, length());
  }

 private:
  void add(op::kind what, std::uint32_t offset, std::uint32_t length) {
    op o{what, static_cast<std::uint8_t>(from_.below(clients_)), offset, length};
    // Sometimes a request reaches beyond the end of the stream, or covers none of its bytes.
    if (o.end() > script_.reach() && !from_.one_in(40)) {
      o.offset = static_cast<std::uint32_t>(std::min<std::uint64_t>(offset, script_.reach()));
      o.length = static_cast<std::uint32_t>(script_.reach() - o.offset);
    }
    o.fua = o.changes() && from_.one_in(8);
    if (what == op::kind::write) {
      o.dirty = from_.one_in(64);
      o.delay = static_cast<std::uint8_t>(from_.one_in(3) ? 1 + from_.below(4) : 0);
    }
    if (o.changes()) frontier_ = std::max(frontier_, static_cast<std::uint32_t>(o.end()));
    script_.ops.push_back(o);
  }

  std::uint32_t anywhere() { return from_.below(count_) * block_; }

  std::uint32_t next_offset(op::kind what) {
    if (write_order_ == write_order::anywhere || (what == op::kind::trim && from_.one_in(2))) {
      return anywhere();
    }
    if (write_order_ == write_order::shuffled) return (index_++ * step_ + step_) % count_ * block_;
    if (from_.one_in(8)) return frontier_ - std::min(frontier_, from_.below(300));
    return frontier_ + (from_.one_in(4) ? from_.below(300) : 0);
  }

  std::uint32_t length() {
    if (write_order_ == write_order::shuffled && block_ > 1 && !from_.one_in(8)) return block_;
    if (from_.one_in(40)) return 0;
    return 1 + from_.below(from_.one_in(6) ? 1200 : 250);
  }

  choices& from_;
  script& script_;
  std::uint32_t block_ = 1;
  std::uint32_t clients_ = 1;
  write_order write_order_ = write_order::anywhere;
  std::uint32_t count_ = 1;
  std::uint32_t step_ = 1;
  std::uint32_t index_ = 0;
  std::uint32_t frontier_ = 0;
};

std::string_view name_of(stream::order mode) {
  constexpr std::array<std::string_view, 4> names{"strict", "window", "spill", "spool"};
  return names[static_cast<std::size_t>(mode)];
}

std::string_view name_of(op::kind what) {
  constexpr std::array<std::string_view, 6> names{"write", "zeroes", "trim",
                                                  "read",  "flush",  "disc"};
  return names[static_cast<std::size_t>(what)];
}

}  // namespace

script make_script(choices& from, stream::order mode, std::size_t most_ops) {
  script s;
  s.mode = mode;
  if (from.below(2) == 0) s.size = from.one_in(2) ? from.below(3000) : 512 * from.below(8);
  s.window = 150 + from.below(from.one_in(3) ? 4000 : 1200);
  s.patient = from.one_in(2);
  s.refuse_gaps = from.one_in(3);
  s.pad = !from.one_in(3);
  if (from.one_in(8)) s.spill = std::uint64_t{4096} * from.below(30);
  maker ops(from, s);
  const auto count = 1 + from.below(static_cast<std::uint32_t>(most_ops));
  for (std::uint32_t i = 0; i < count && !from.exhausted(); ++i) ops.add_one();
  return s;
}

script make_copy(choices& from, stream::order mode) {
  script s;
  s.mode = mode;
  s.before = (1 << 20) - 1024;
  s.size = 1024 + from.below(2000);
  s.window = 1000 + from.below(4000);
  s.patient = s.refuse_gaps = true;
  const auto all = static_cast<std::uint32_t>(s.reach());
  const auto part_or_all = [&from, all] { return from.one_in(2) ? all : from.below(all); };
  if (!from.one_in(4)) {
    const auto how = from.one_in(2) ? op::kind::trim : op::kind::zeroes;
    s.ops.push_back({how, 0, 0, part_or_all()});
  }
  const auto first_copied = s.ops.size();
  const auto block = 64 + from.below(400);
  const auto end = part_or_all();
  for (std::uint32_t at = 0; at < end; at += block) {
    const auto what = from.one_in(3) ? op::kind::zeroes : op::kind::write;
    s.ops.push_back({what, 0, at, std::min(block, end - at)});
    const bool late = mode != stream::order::strict && from.one_in(6);
    if (late && s.ops.size() > first_copied + 1) std::swap(s.ops.back(), *(s.ops.end() - 2));
  }
  return s;
}

std::string to_text(const script& s) {
  std::string text = fmt::format("  script s;\n  s.mode = stream::order::{};\n", name_of(s.mode));
  auto out = std::back_inserter(text);
  if (s.size) fmt::format_to(out, "  s.size = {};\n", *s.size);
  fmt::format_to(out, "  s.window = {};\n", s.window);
  if (s.spill) fmt::format_to(out, "  s.spill = {};\n", *s.spill);
  if (s.patient) text += "  s.patient = true;\n";
  if (s.refuse_gaps) text += "  s.refuse_gaps = true;\n";
  if (!s.pad) text += "  s.pad = false;\n";
  if (s.before > 0) fmt::format_to(out, "  s.before = {};\n", s.before);
  text += "  s.ops = {\n";
  for (const auto& o : s.ops) {
    fmt::format_to(out, "      {{op::kind::{}, {}, {}, {}", name_of(o.what), o.client, o.offset,
                   o.length);
    if (o.fua || o.dirty || o.delay > 0) {
      fmt::format_to(out, ", {}, {}, {}", o.fua, o.dirty, o.delay);
    }
    text += "},\n";
  }
  return text + "  };\n";
}

}  // namespace nbdstream::test
