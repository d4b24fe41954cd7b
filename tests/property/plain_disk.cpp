// SPDX-License-Identifier: BSD-3-Clause
#include "plain_disk.hpp"

#include "stream/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace nbdstream::test {

using stream::order;

plain_disk::plain_disk(const script& s)
    : script_(s),
      bytes_(s.size.value_or(script::max_stream), '\0'),
      kinds_(bytes_.size(), kind::untouched),
      names_(bytes_.size()) {}

expectation plain_disk::expect(const op& o, std::uint64_t cursor) const {
  const auto size = script_.size;
  if (o.what == op::kind::flush || o.what == op::kind::disc) return {};
  if (o.what == op::kind::read) {
    if (size && o.end() > *size) return {EINVAL, false};
    return {o.length > 0 && o.offset < cursor ? EIO : 0, false};
  }
  if (size && o.end() > script_.reach()) {
    return o.what == op::kind::trim ? expectation{EINVAL, false} : expectation{ENOSPC, true};
  }
  if (o.length == 0) return {};
  if (o.what == op::kind::trim && o.end() <= cursor) return {};
  if (o.what != op::kind::trim && o.offset < cursor) return {EINVAL, true};
  if (o.end() > script_.reach()) return {ENOSPC, true};
  const bool dirty_beyond_size = o.what == op::kind::write && o.dirty && size && o.end() > *size;
  return dirty_beyond_size ? expectation{ENOSPC, true} : expectation{};
}

void plain_disk::apply(const op& o, std::size_t index, std::uint64_t cursor) {
  if (!o.changes() || o.length == 0) return;
  const auto begin = std::max<std::uint64_t>(o.offset, cursor);
  const auto end = std::min<std::uint64_t>(o.end(), bytes_.size());
  const bool data = o.what == op::kind::write;
  for (auto at = begin; at < end; ++at) {
    bytes_[at] = data ? payload_byte(index, at) : '\0';
    kinds_[at] = data ? kind::data : kind::zero;
    auto& named = names_[at];
    cleared_first_ |= data && named.zeroes && script_.before + at >= cleared_from_;
    named.data |= data;
    named.zeroes |= o.what == op::kind::zeroes;
  }
  if (o.what == op::kind::zeroes && script_.before + end > first_mib) {
    cleared_from_ = std::min(cleared_from_, script_.before + begin);
  }
  if (begin < end && data) writes_.push_back({begin, end});
  any_named_ |= begin < end && o.what != op::kind::trim;
  // Strict sends at once. Even a request that lies beyond the size moves the end of the stream.
  const bool sent = script_.mode == order::strict && begin < o.end();
  if (sent || (begin < end && o.what != op::kind::trim)) end_ = std::max(end_, end);
}

std::string plain_disk::read(std::uint64_t offset, std::uint64_t length) const {
  std::string data(length, '\0');
  if (offset < bytes_.size()) bytes_.copy(data.data(), length, offset);
  return data;
}

std::uint64_t plain_disk::passed_over(std::uint64_t cursor) const {
  const auto end = kinds_.begin() + static_cast<std::ptrdiff_t>(cursor);
  return static_cast<std::uint64_t>(std::count(kinds_.begin(), end, kind::untouched));
}

std::uint64_t plain_disk::missing() const {
  const auto end = names_.begin() + static_cast<std::ptrdiff_t>(script_.size.value_or(end_));
  const auto unnamed = [](const names& n) { return !n.zeroes && !n.data; };
  return static_cast<std::uint64_t>(std::count_if(names_.begin(), end, unnamed));
}

std::string plain_disk::stream() const {
  return bytes_.substr(0, script_.size && script_.pad ? *script_.size : end_);
}

plain_disk::gap plain_disk::first_gap(std::uint64_t cursor) const {
  const auto at = [this](auto it) { return static_cast<std::uint64_t>(it - kinds_.begin()); };
  const auto touched = [](kind k) { return k != kind::untouched; };
  const auto from = kinds_.begin() + static_cast<std::ptrdiff_t>(cursor);
  const auto begin = std::find(from, kinds_.end(), kind::untouched);
  return {at(begin), at(std::find_if(begin, kinds_.end(), touched))};
}

std::uint64_t plain_disk::weight(std::uint64_t cursor) const {
  std::uint64_t sum = 0;
  for (const auto& w : writes_) {
    if (w.end > cursor) sum += w.end - w.begin + stream::window::overhead;
  }
  return sum;
}

std::uint64_t plain_disk::pages_written() const {
  constexpr std::uint64_t page = 4096;
  std::uint64_t sum = 0;
  for (const auto& w : writes_) sum += (w.end + page - 1) / page * page - w.begin / page * page;
  return sum;
}

std::string plain_disk::check(std::string_view sent, std::uint64_t barrier) {
  if (sent.size() < checked_to_) return "the sink has fewer bytes than before";
  if (sent.size() > bytes_.size()) return "the sink has more bytes than there are";
  for (auto at = checked_to_; at < sent.size(); ++at) {
    if (sent[at] != bytes_[at]) return fmt::format("the stream has a wrong byte at {}", at);
  }
  checked_to_ = sent.size();
  return check_held(sent.size(), barrier);
}

/// Whether the bytes that wait have a reason to wait, and the bytes that were sent had none.
/// Returns "", or what is wrong.
std::string plain_disk::check_held(std::uint64_t cursor, std::uint64_t barrier) const {
  const bool strict = script_.mode == order::strict;
  if (script_.mode == order::spool) return cursor == 0 ? "" : "spool has sent something early";
  if (strict) return cursor == end_ ? "" : "strict has held something";
  if (cursor > 0 && cursor != barrier && kinds_[cursor - 1] != kind::data) {
    return fmt::format("zeroes before {} were sent, and no data followed", cursor);
  }
  auto at = cursor;
  while (at < kinds_.size() && kinds_[at] == kind::zero && at < barrier) ++at;
  if (at < barrier && at < kinds_.size() && kinds_[at] == kind::data) {
    return fmt::format("data at {} wait for nothing, the cursor being at {}", at, cursor);
  }
  return "";
}

}  // namespace nbdstream::test
