// SPDX-License-Identifier: BSD-3-Clause
#include "source/diff_source.hpp"

#include "config/text.hpp"
#include "restore/failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nbdstream::source {
namespace {

/// A source from its beginning to its end.
class in_order final : public restore::byte_input {
 public:
  explicit in_order(source& from) noexcept : from_(from) {}

  [[nodiscard]] const std::string& name() const noexcept override { return from_.name(); }
  [[nodiscard]] std::size_t read(std::span<std::byte> into) override {
    into = into.first(std::min<std::uint64_t>(into.size(), from_.size() - at_));
    const auto failed = from_.read(at_, into);
    if (failed) throw restore::failure(failed.why);
    at_ += into.size();
    return into.size();
  }
  [[nodiscard]] std::uint64_t skip(std::uint64_t count) override {
    count = std::min(count, from_.size() - at_);
    at_ += count;
    return count;
  }
  void rewind() noexcept override { at_ = 0; }

 private:
  source& from_;
  std::uint64_t at_ = 0;
};

}  // namespace

diff_source::diff_source(std::vector<std::shared_ptr<source>> diffs) : diffs_(std::move(diffs)) {
  for (std::size_t i = 0; i < diffs_.size(); ++i) {
    in_order input(*diffs_[i]);
    restore::scan_one(input, i, restore::extents::wanted, chain_);
  }
  if (chain_.diffs.is_full()) return;
  throw restore::failure(fmt::format(
      "{}: the diff begins from {}, so it is not a whole disk; a full one must come first",
      diffs_.front()->name(), config::quote(*chain_.diffs.first().from)));
}

restore::extent_index::extent diff_source::at(std::uint64_t offset, std::uint64_t until,
                                              content& what) const {
  const auto found = chain_.extents.at_or_after(offset);
  what = content::hole;
  if (!found || found->begin >= until) return {offset, until};
  if (found->begin > offset) return {offset, found->begin};
  what = found->data ? content::data : content::zeroes;
  return {found->begin, std::min(found->end, until), found->data};
}

failure diff_source::read(std::uint64_t offset, std::span<std::byte> into) {
  const auto end = offset + into.size();
  while (!into.empty()) {
    content what{};
    const auto e = at(offset, end, what);
    const auto piece = into.first(e.end - offset);
    if (what == content::data) {
      auto failed = diffs_[e.data->input]->read(e.data->at + (offset - e.begin), piece);
      if (failed) return failed;
    } else {
      std::ranges::fill(piece, std::byte{0});
    }
    offset = e.end;
    into = into.subspan(piece.size());
  }
  return {};
}

failure diff_source::look(std::uint64_t offset, std::uint64_t until, extent& found) {
  found.end = at(offset, until, found.what).end;
  return {};
}

}  // namespace nbdstream::source
