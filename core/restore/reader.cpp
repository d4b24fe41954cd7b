// SPDX-License-Identifier: BSD-3-Clause
#include "restore/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace nbdstream::restore {

broken_diff::broken_diff(const std::string& name, const diff::fault& why)
    : failure(fmt::format("{}: byte {}: {}", name, why.at, why.text)) {}

reader::reader(byte_input& from) : from_(from), buffer_(256 << 10) {
  from_.rewind();
}

reader::event reader::next() {
  skip_data();
  for (;;) {
    switch (parser_.next(left_)) {
      case diff::parser::event::header: return event::header;
      case diff::parser::event::data: return event::data;
      case diff::parser::event::zeroes: return event::zeroes;
      case diff::parser::event::end: return event::end;
      case diff::parser::event::broken: throw broken_diff(from_.name(), parser_.problem());
      case diff::parser::event::more: break;
    }
    refill();
    if (!left_.empty()) continue;
    if (parser_.close()) refuse_end();
    return event::finished;
  }
}

std::span<const std::byte> reader::read_data(std::span<std::byte> into) {
  into = into.first(std::min<std::uint64_t>(into.size(), parser_.payload_left()));
  std::size_t done = 0;
  while (done < into.size()) {
    const auto rest = into.subspan(done);
    std::size_t count = std::min(rest.size(), left_.size());
    if (count > 0) {
      std::copy_n(left_.begin(), count, rest.begin());
      left_ = left_.subspan(count);
    } else {
      count = from_.read(rest);
      if (count == 0) refuse_end();
    }
    parser_.take_payload(count);
    done += count;
  }
  return into;
}

void reader::skip_data() {
  const auto buffered = std::min<std::uint64_t>(parser_.payload_left(), left_.size());
  left_ = left_.subspan(buffered);
  parser_.take_payload(buffered);
  const auto skipped = parser_.payload_left() > 0 ? from_.skip(parser_.payload_left()) : 0;
  parser_.take_payload(skipped);
  if (parser_.payload_left() > 0) refuse_end();
}

void reader::refill() {
  left_ = std::span(buffer_).first(from_.read(buffer_));
}

void reader::refuse_end() const {
  throw broken_diff(from_.name(), *parser_.close());
}

}  // namespace nbdstream::restore
