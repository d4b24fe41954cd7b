// SPDX-License-Identifier: BSD-3-Clause
#include "shrink.hpp"

#include "support/deadline.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

class shrinker {
 public:
  shrinker(script s, const runner& run) : best_(std::move(s)), run_(run) {}

  script run() {
    bool better = true;
    while (better && !end_.passed()) {
      better = drop_ops();
      better = simplify_ops() || better;
      better = simplify_settings() || better;
    }
    return best_;
  }

 private:
  bool try_this(const script& s) {
    if (s == best_ || end_.passed() || run_(s).empty()) return false;
    best_ = s;
    return true;
  }

  bool drop_ops() {
    bool better = false;
    for (auto count = std::max<std::size_t>(1, best_.ops.size() / 2); count > 0; count /= 2) {
      for (std::size_t at = 0; at + count <= best_.ops.size();) {
        auto s = best_;
        const auto from = s.ops.begin() + static_cast<std::ptrdiff_t>(at);
        s.ops.erase(from, from + static_cast<std::ptrdiff_t>(count));
        if (try_this(s)) {
          better = true;
        } else {
          at += count;
        }
      }
    }
    return better;
  }

  /// Tries `change` on each request.
  template <class Change>
  bool change_ops(Change change) {
    bool better = false;
    for (std::size_t i = 0; i < best_.ops.size(); ++i) {
      auto s = best_;
      change(s.ops[i]);
      better = try_this(s) || better;
    }
    return better;
  }

  bool simplify_ops() {
    bool better = change_ops([](op& o) { o.client = 0; });
    better = change_ops([](op& o) { o.fua = o.dirty = false; }) || better;
    better = change_ops([](op& o) { o.delay = 0; }) || better;
    better = change_ops([](op& o) { o.length /= 2; }) || better;
    better = change_ops([](op& o) { o.length -= o.length > 1 ? 1 : 0; }) || better;
    better = change_ops([](op& o) { o.offset /= 2; }) || better;
    return change_ops([](op& o) { o.offset -= o.offset > 0 ? 1 : 0; }) || better;
  }

  bool simplify_settings() {
    const auto before = best_;
    auto s = best_;
    s.pad = true;
    try_this(s);
    s = best_;
    s.refuse_gaps = false;
    try_this(s);
    s = best_;
    s.spill.reset();
    try_this(s);
    s = best_;
    s.size.reset();
    try_this(s);
    return !(best_ == before);
  }

  script best_;
  const runner& run_;
  deadline end_{std::chrono::seconds(20)};
};

}  // namespace

script shrink(script s, const runner& run) {
  return shrinker(std::move(s), run).run();
}

std::string report(const script& s, const runner& run) {
  const auto small = shrink(s, run);
  return run(small) + "\n" + to_text(small);
}

}  // namespace nbdstream::test
