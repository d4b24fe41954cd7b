// SPDX-License-Identifier: BSD-3-Clause
#include "encoding/raw_encoder.hpp"

#include "io/parts.hpp"

namespace nbdstream::encoding {

awaitable<failure> raw_encoder::open(const sink::stream_info& stream) {
  return sink_.open(stream);
}

awaitable<failure> raw_encoder::begin_data(std::uint64_t, std::uint64_t) {
  co_return failure{};
}

awaitable<failure> raw_encoder::write(std::span<const std::byte> data) {
  length_ += data.size();
  return sink_.write(data);
}

awaitable<failure> raw_encoder::write_file(int from, std::uint64_t offset, std::uint64_t count) {
  length_ += count;
  return sink_.write_file(from, offset, count);
}

awaitable<io::splice_result> raw_encoder::splice(int socket, std::uint64_t count) {
  auto did = co_await sink_.splice(socket, count);
  length_ += did.moved;
  co_return did;
}

awaitable<failure> raw_encoder::write_pieces(std::span<const piece> pieces) {
  parts_.clear();
  for (const auto& p : pieces) {
    parts_.push_back(io::part_of(p.data));
    length_ += p.data.size();
  }
  return sink_.write_parts(parts_);
}

awaitable<failure> raw_encoder::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  count_zeroes(offset, length);
  length_ += length;
  return sink_.write_zeroes(length);
}

awaitable<failure> raw_encoder::flush() {
  return sink_.flush();
}

awaitable<failure> raw_encoder::finish() {
  co_return failure{};
}

awaitable<failure> raw_encoder::end() {
  co_return failure{};
}

}  // namespace nbdstream::encoding
