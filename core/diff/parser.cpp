// SPDX-License-Identifier: BSD-3-Clause
#include "diff/parser.hpp"

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace nbdstream::diff {
namespace {

/// An offset in a larger disk fits into no file.
constexpr auto largest_disk =
    static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());  // bytes

template <class Number>
Number number_at(const std::byte* from) {
  Number value{};
  std::memcpy(&value, from, sizeof value);
  return boost::endian::little_to_native(value);
}

std::string name_of(tag what) {
  const auto byte = static_cast<unsigned char>(what);
  if (byte > 0x20 && byte < 0x7f) return fmt::format("\"{}\"", static_cast<char>(what));
  return fmt::format("0x{:02x}", byte);
}

/// What begins files that are compressed: zstd, gzip, xz, lz4, bzip2.
bool looks_compressed(std::byte first) {
  constexpr std::string_view firsts = "\x28\x1f\xfd\x04\x42";
  return firsts.find(static_cast<char>(first)) != std::string_view::npos;
}

}  // namespace

parser::event parser::next(std::span<const std::byte>& in) {
  if (fault_) return event::broken;
  for (;;) {
    if (in.empty()) return event::more;
    if (const auto known = next_step(in)) return *known;
  }
}

std::optional<parser::event> parser::next_step(std::span<const std::byte>& in) {
  switch (state_) {
    case state::outside:
      header_ = {};
      diff_at_ = position_;
      has_size_ = header_told_ = false;
      state_ = state::beginning;
      return std::nullopt;
    case state::beginning: return take_magic(in);
    case state::tag: return take_tag(in);
    case state::name_length:
      if (!gather(in, sizeof(std::uint32_t))) return event::more;
      return take_name_length();
    case state::name: return take_name(in);
    case state::size:
      if (!gather(in, sizeof(std::uint64_t))) return event::more;
      return take_size();
    case state::record:
      if (!gather(in, record_size - 1)) return event::more;
      return take_record();
  }
  return event::more;
}

/// Whether `want` bytes are there, in field_.
bool parser::gather(std::span<const std::byte>& in, std::size_t want) {
  const auto count = std::min(want - gathered_, in.size());
  std::copy_n(in.begin(), count, field_.begin() + static_cast<std::ptrdiff_t>(gathered_));
  in = in.subspan(count);
  gathered_ += count;
  position_ += count;
  if (gathered_ < want) return false;
  gathered_ = 0;
  return true;
}

std::optional<parser::event> parser::take_magic(std::span<const std::byte>& in) {
  constexpr std::string_view any_version = "rbd diff v";
  if (static_cast<char>(in.front()) != magic[gathered_]) {
    if (diffs_ > 0)
      return refuse(diff_at_, "after the end of a diff there is something that is not a diff");
    if (gathered_ >= any_version.size())
      return refuse(diff_at_, "this rbd diff has another version than v1");
    const bool compressed = gathered_ == 0 && looks_compressed(in.front());
    return refuse(diff_at_, fmt::format("this is not an rbd diff v1{}",
                                        compressed ? "; if it is compressed, decompress it" : ""));
  }
  in = in.subspan(1);
  ++position_;
  if (++gathered_ < magic.size()) return std::nullopt;
  gathered_ = 0;
  state_ = state::tag;
  return std::nullopt;
}

std::optional<parser::event> parser::take_tag(std::span<const std::byte>& in) {
  tag_ = static_cast<tag>(in.front());
  tag_at_ = position_;
  const bool begins_data = tag_ == tag::data || tag_ == tag::zeroes || tag_ == tag::end;
  if (begins_data && !header_told_) {
    if (!has_size_) return refuse(tag_at_, "the disk's size is missing before the first record");
    header_told_ = true;
    return event::header;
  }
  in = in.subspan(1);
  ++position_;
  switch (tag_) {
    case tag::from_snapshot: return begin_metadata(header_.from.has_value());
    case tag::to_snapshot: return begin_metadata(header_.to.has_value());
    case tag::size: return begin_metadata(has_size_);
    case tag::data:
    case tag::zeroes: state_ = state::record; return std::nullopt;
    case tag::end:
      ++diffs_;
      state_ = state::outside;
      return event::end;
  }
  return refuse(tag_at_, fmt::format("unknown record {}", name_of(tag_)));
}

std::optional<parser::event> parser::begin_metadata(bool repeated) {
  if (header_told_)
    return refuse(tag_at_, fmt::format("the record {} comes after data", name_of(tag_)));
  if (repeated) return refuse(tag_at_, fmt::format("the record {} comes twice", name_of(tag_)));
  state_ = tag_ == tag::size ? state::size : state::name_length;
  return std::nullopt;
}

std::optional<parser::event> parser::take_name_length() {
  const auto length = number_at<std::uint32_t>(field_.data());
  if (length > longest_name) {
    return refuse(tag_at_, fmt::format("the name in the record {} has {} bytes; {} is the most",
                                       name_of(tag_), length, longest_name));
  }
  auto& name = tag_ == tag::from_snapshot ? header_.from : header_.to;
  name.emplace();
  name_.clear();
  name_left_ = length;
  state_ = length > 0 ? state::name : state::tag;
  return std::nullopt;
}

std::optional<parser::event> parser::take_name(std::span<const std::byte>& in) {
  const auto count = std::min(name_left_, in.size());
  name_.append(reinterpret_cast<const char*>(in.data()), count);
  in = in.subspan(count);
  position_ += count;
  name_left_ -= count;
  if (name_left_ > 0) return event::more;
  // No snapshot has such a name, and what keeps names may take it for an end.
  if (name_.find('\0') != std::string::npos)
    return refuse(tag_at_, fmt::format("the name in the record {} has a zero byte", name_of(tag_)));
  (tag_ == tag::from_snapshot ? header_.from : header_.to) = name_;
  state_ = state::tag;
  return std::nullopt;
}

std::optional<parser::event> parser::take_size() {
  header_.size = number_at<std::uint64_t>(field_.data());
  if (header_.size > largest_disk) {
    return refuse(tag_at_, fmt::format("the disk's size is {} bytes; {} is the most", header_.size,
                                       largest_disk));
  }
  has_size_ = true;
  state_ = state::tag;
  return std::nullopt;
}

std::optional<parser::event> parser::take_record() {
  record_.offset = number_at<std::uint64_t>(field_.data());
  record_.length = number_at<std::uint64_t>(field_.data() + sizeof record_.offset);
  if (record_.offset > header_.size || record_.length > header_.size - record_.offset) {
    return refuse(tag_at_,
                  fmt::format("the record {} of {} bytes at offset {} ends behind the "
                              "disk, which has {}",
                              name_of(tag_), record_.length, record_.offset, header_.size));
  }
  state_ = state::tag;
  if (tag_ == tag::zeroes) return event::zeroes;
  payload_ = record_.length;
  return event::data;
}

void parser::take_payload(std::uint64_t count) noexcept {
  payload_ -= count;
  position_ += count;
}

std::optional<fault> parser::close() const {
  if (fault_) return fault_;
  if (state_ == state::outside && diffs_ > 0) return std::nullopt;
  return fault{fault::kind::truncated, position_, "it ended before its end record"};
}

parser::event parser::refuse(std::uint64_t at, std::string text) {
  fault_ = fault{fault::kind::malformed, at, std::move(text)};
  return event::broken;
}

}  // namespace nbdstream::diff
