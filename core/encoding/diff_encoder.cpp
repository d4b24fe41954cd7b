// SPDX-License-Identifier: BSD-3-Clause
#include "encoding/diff_encoder.hpp"

#include "io/parts.hpp"

#include <algorithm>

namespace nbdstream::encoding {
namespace {

/// Records of zeroes are kept until payload follows, but no more than this.
constexpr std::size_t most_unsent = 64 << 10;  // bytes

constexpr std::byte the_end[] = {diff::encoded_end};

}  // namespace

awaitable<failure> diff_encoder::open(const sink::stream_info& stream) {
  // How long it becomes is not known: what is written again is sent again.
  auto info = stream;
  info.size.reset();
  info.size_is_exact = false;
  co_return co_await sink_.open(info);
}

void diff_encoder::append(const std::array<std::byte, diff::record_size>& record) {
  unsent_.insert(unsent_.end(), record.begin(), record.end());
}

void diff_encoder::end_zeroes() {
  if (zeroes_.begin < zeroes_.end) {
    append(diff::encode_zeroes(zeroes_.begin, zeroes_.end - zeroes_.begin));
  }
  zeroes_ = {};
}

/// parts_, which refer to all of unsent_.
awaitable<failure> diff_encoder::send_parts() {
  for (const auto& part : parts_) length_ += part.iov_len;
  const std::span<iovec> parts(parts_);
  auto failed = co_await sink_.write_parts(parts);
  unsent_.clear();
  co_return failed;
}

awaitable<failure> diff_encoder::send_unsent() {
  if (unsent_.empty()) co_return failure{};
  parts_.assign({io::part_of(unsent_)});
  co_return co_await send_parts();
}

awaitable<failure> diff_encoder::begin_data(std::uint64_t offset, std::uint64_t length) {
  end_zeroes();
  append(diff::encode_data(offset, length));
  co_return failure{};
}

awaitable<failure> diff_encoder::write(std::span<const std::byte> data) {
  if (unsent_.empty()) {
    length_ += data.size();
    co_return co_await sink_.write(data);
  }
  parts_.assign({io::part_of(unsent_), io::part_of(data)});
  co_return co_await send_parts();
}

awaitable<failure> diff_encoder::write_file(int from, std::uint64_t offset, std::uint64_t count) {
  auto failed = co_await send_unsent();
  if (failed) co_return failed;
  length_ += count;
  co_return co_await sink_.write_file(from, offset, count);
}

awaitable<io::splice_result> diff_encoder::splice(int socket, std::uint64_t count) {
  const auto failed = co_await send_unsent();
  io::splice_result did{.error = failed.code, .why = failed.why};
  if (failed) co_return did;
  did = co_await sink_.splice(socket, count);
  length_ += did.moved;
  co_return did;
}

awaitable<failure> diff_encoder::write_pieces(std::span<const piece> pieces) {
  end_zeroes();
  const auto kept = unsent_.size();
  const auto touches = [&](std::size_t i) {
    return i > 0 && pieces[i].offset == pieces[i - 1].offset + pieces[i - 1].data.size();
  };
  for (std::size_t i = 0; i < pieces.size();) {
    const auto first = i;
    std::uint64_t length = 0;
    do length += pieces[i++].data.size();
    while (i < pieces.size() && touches(i));
    append(diff::encode_data(pieces[first].offset, length));
  }
  // unsent_ does not move any more: what was kept goes with the first record.
  parts_.clear();
  std::span<const std::byte> records(unsent_);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!touches(i)) {
      const auto size = (i == 0 ? kept : 0) + diff::record_size;
      parts_.push_back(io::part_of(records.first(size)));
      records = records.subspan(size);
    }
    parts_.push_back(io::part_of(pieces[i].data));
  }
  co_return co_await send_parts();
}

awaitable<failure> diff_encoder::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  count_zeroes(offset, length);
  if (offset <= zeroes_.end && zeroes_.begin <= offset + length && zeroes_.begin < zeroes_.end) {
    zeroes_ = {std::min(zeroes_.begin, offset), std::max(zeroes_.end, offset + length)};
    co_return failure{};
  }
  end_zeroes();
  zeroes_ = {offset, offset + length};
  if (unsent_.size() < most_unsent) co_return failure{};
  co_return co_await send_unsent();
}

awaitable<failure> diff_encoder::flush() {
  end_zeroes();
  auto failed = co_await send_unsent();
  if (failed) co_return failed;
  co_return co_await sink_.flush();
}

awaitable<failure> diff_encoder::finish() {
  end_zeroes();
  auto failed = co_await send_unsent();
  // An abort that comes while the reader still takes the rest must not leave it the end.
  if (!failed) failed = co_await sink_.wait_until_taken();
  co_return failed;
}

std::span<const std::byte> diff_encoder::ending() const noexcept {
  return the_end;
}

awaitable<failure> diff_encoder::end() {
  const auto last = ending();
  length_ += last.size();
  co_return co_await sink_.write(last);
}

}  // namespace nbdstream::encoding
