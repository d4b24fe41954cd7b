// SPDX-License-Identifier: BSD-3-Clause
#include "restore/chain.hpp"

#include "config/text.hpp"
#include "restore/failure.hpp"

#include <fmt/format.h>

namespace nbdstream::restore {

using config::quote;

void chain::add(const diff::header& next, const std::string& where) {
  if (count_ > 0) {
    if (!next.from)
      throw failure(
          fmt::format("{}: a full diff follows another diff; only the first may be full", where));
    if (!last_.to)
      throw failure(
          fmt::format("{}: the diff begins from {}, but the one before does not say to "
                      "which snapshot it leads",
                      where, quote(*next.from)));
    if (*next.from != *last_.to)
      throw failure(fmt::format("{}: the diff begins from {}, but the one before leads to {}",
                                where, quote(*next.from), quote(*last_.to)));
    if (next.size < last_.size)
      throw failure(
          fmt::format("{}: the diff is of a disk of {} bytes, the one before of {}; a "
                      "disk cannot be made smaller",
                      where, next.size, last_.size));
  } else {
    first_ = next;
  }
  last_ = next;
  ++count_;
}

void check_snapshot(const std::string& target, const diff::header& first,
                    const snapshot_state& held, const std::optional<std::string>& said) {
  if (!first.from) return;
  const std::string begins = fmt::format("the diff begins from {}", quote(*first.from));
  if (said) {
    if (*said == *first.from) return;
    throw failure(fmt::format("{}: {}, but --from says {}", target, begins, quote(*said)));
  }
  switch (held.what) {
    case snapshot_state::kind::known:
      if (held.name == *first.from) return;
      throw failure(
          fmt::format("{}: {}, but the last apply led to {}", target, begins, quote(held.name)));
    case snapshot_state::kind::interrupted:
      throw failure(fmt::format(
          "{}: an apply was interrupted here; apply {}", target,
          held.name.empty() ? std::string("a full diff, as that one was")
                            : fmt::format("the same diff again with --from {}, or a full one",
                                          quote(held.name))));
    case snapshot_state::kind::never_kept:
      throw failure(
          fmt::format("{}: {}, and nothing tells what is there; if it is that, say "
                      "--from {}",
                      target, begins, quote(*first.from)));
    case snapshot_state::kind::unknown: break;
  }
  throw failure(
      fmt::format("{}: {}, but no apply has left a name here; if it is that, say "
                  "--from {}",
                  target, begins, quote(*first.from)));
}

void check_size(const std::string& target, std::uint64_t is, std::uint64_t wanted, growth may) {
  if (is == wanted) return;
  const std::string sizes =
      fmt::format("{} has {} bytes, but the diff is of a disk of {}", target, is, wanted);
  if (is > wanted || may == growth::impossible) throw failure(sizes);
  if (may == growth::not_allowed) throw failure(sizes + "; --resize makes it larger");
}

}  // namespace nbdstream::restore
