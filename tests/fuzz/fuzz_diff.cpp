// SPDX-License-Identifier: BSD-3-Clause
//
// How long the pieces are (1 byte), and a chain of diffs: the parser, which is fed piece by piece,
// says of it what a naive one says that has all of it at once; and a disk that is put together from
// extents is the array into which the naive one writes.
#include "diff/parser.hpp"
#include "fuzz/demand.hpp"
#include "restore/extent_index.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace nbdstream;
using test::demand;

__extension__ using wide = unsigned __int128;

/// A disk beyond that is only numbers.
constexpr std::uint64_t largest_array = 1 << 16;  // bytes

enum class outcome { whole, truncated, malformed };

/// What was said of a chain of diffs, and the disk, where it is small.
struct story {
  outcome ended = outcome::truncated;
  std::string events;
  std::string disk;

  void tell(char what, std::uint64_t a = 0, std::uint64_t b = 0) {
    events += what + std::to_string(a) + "," + std::to_string(b) + " ";
  }
};

/// With the whole input in its hand, and numbers that cannot overflow.
class naive_reader {
 public:
  explicit naive_reader(std::string_view all) : rest_(all) {}

  story read() {
    do {
      story_.ended = read_diff();
    } while (story_.ended == outcome::whole && !rest_.empty());
    return std::move(story_);
  }

 private:
  outcome read_diff() {
    const auto begin = rest_.substr(0, diff::magic.size());
    if (begin != diff::magic.substr(0, begin.size())) return outcome::malformed;
    if (begin.size() < diff::magic.size()) return outcome::truncated;
    rest_.remove_prefix(begin.size());
    bool from = false, to = false, sized = false, told = false;
    for (std::uint64_t size = 0;;) {
      if (rest_.empty()) return outcome::truncated;
      const char tag = rest_.front();
      if (std::strchr("wze", tag) != nullptr && tag != 0 && !told) {
        if (!sized) return outcome::malformed;
        told = true;
        story_.tell('h', size);
        if (size <= largest_array) story_.disk.resize(size);
      }
      rest_.remove_prefix(1);
      if (tag == 'e') return story_.tell('e'), outcome::whole;
      if (tag == 'f' || tag == 't') {
        bool& seen = tag == 'f' ? from : to;
        if (told || seen) return outcome::malformed;
        seen = true;
        if (rest_.size() < 4) return outcome::truncated;
        const auto length = number(4);
        if (length > 4096) return outcome::malformed;
        if (rest_.size() < length) return outcome::truncated;
        if (rest_.substr(0, length).find('\0') != rest_.npos) return outcome::malformed;
        rest_.remove_prefix(length);
      } else if (tag == 's') {
        if (told || sized) return outcome::malformed;
        if (rest_.size() < 8) return outcome::truncated;
        size = number(8);
        sized = true;
        if (size >> 63 != 0) return outcome::malformed;
      } else if (tag == 'w' || tag == 'z') {
        if (rest_.size() < 16) return outcome::truncated;
        const auto offset = number(8);
        const auto length = number(8);
        if (wide{offset} + length > size) return outcome::malformed;
        story_.tell(tag, offset, length);
        if (!store(tag, offset, length)) return outcome::truncated;
      } else {
        return outcome::malformed;
      }
    }
  }

  bool store(char tag, std::uint64_t offset, std::uint64_t length) {
    const bool fits = offset + length <= story_.disk.size();
    if (tag == 'z') {
      if (fits) story_.disk.replace(offset, length, std::string(length, '\0'));
      return true;
    }
    if (rest_.size() < length) return false;
    if (fits) story_.disk.replace(offset, length, rest_.substr(0, length));
    rest_.remove_prefix(length);
    return true;
  }

  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i > 0; --i)
      value = value << 8 | static_cast<unsigned char>(rest_[i - 1]);
    rest_.remove_prefix(bytes);
    return value;
  }

  std::string_view rest_;
  story story_;
};

/// The parser with its input in pieces, and the extents of what it says.
class parser_run {
 public:
  parser_run(std::string_view all, std::size_t piece) : all_(all), rest_(all), piece_(piece) {}

  story read() {
    while (step()) {
    }
    const auto problem = parser_.close();
    story_.ended = !problem                                        ? outcome::whole
                   : problem->what == diff::fault::kind::truncated ? outcome::truncated
                                                                   : outcome::malformed;
    demand(!problem || !problem->text.empty(), "a fault is a sentence");
    demand(!problem || problem->at <= all_.size(), "a fault is at a byte of the input");
    fill();
    return std::move(story_);
  }

 private:
  bool step() {
    if (parser_.payload_left() > 0) {
      const auto count = std::min<std::uint64_t>(parser_.payload_left(), in_.size());
      in_ = in_.subspan(count);
      parser_.take_payload(count);
      if (parser_.payload_left() > 0) return next_piece();
    }
    const auto& r = parser_.record();
    switch (parser_.next(in_)) {
      case diff::parser::event::more: return next_piece();
      case diff::parser::event::broken: return false;
      case diff::parser::event::header:
        size_ = parser_.head().size;
        story_.tell('h', size_);
        if (size_ <= largest_array) story_.disk.resize(size_);
        break;
      case diff::parser::event::data:
        story_.tell('w', r.offset, r.length);
        demand(r.length <= size_ && r.offset <= size_ - r.length, "a record is within the disk");
        // A record whose data are not all there says nothing.
        if (all_.size() - parser_.position() >= r.length)
          extents_.assign({r.offset, r.end(), restore::origin{0, parser_.position()}});
        break;
      case diff::parser::event::zeroes:
        story_.tell('z', r.offset, r.length);
        demand(r.length <= size_ && r.offset <= size_ - r.length, "a record is within the disk");
        extents_.assign({r.offset, r.end()});
        break;
      case diff::parser::event::end: story_.tell('e'); break;
    }
    return true;
  }

  bool next_piece() {
    demand(in_.empty(), "what is asked for more has taken what there is");
    if (rest_.empty()) return false;
    const auto next = rest_.substr(0, piece_);
    rest_.remove_prefix(next.size());
    in_ = std::as_bytes(std::span(next));
    return true;
  }

  void fill() {
    auto& disk = story_.disk;
    std::uint64_t at = 0;
    while (const auto e = extents_.at_or_after(at)) {
      demand(e->begin < e->end, "an extent has a length");
      if (e->data && e->begin < disk.size()) {
        const auto length = std::min<std::uint64_t>(e->end, disk.size()) - e->begin;
        disk.replace(e->begin, length, all_.substr(e->data->at, length));
      }
      at = e->end;
    }
  }

  std::string_view all_;
  std::string_view rest_;
  std::size_t piece_;
  std::span<const std::byte> in_;
  diff::parser parser_;
  restore::extent_index extents_;
  std::uint64_t size_ = 0;
  story story_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  test::settings_of settings({data, length});
  const std::size_t piece = settings.byte() + std::size_t{1};
  const auto bytes = settings.rest();
  const auto expected = naive_reader(bytes).read();
  const auto got = parser_run(bytes, piece).read();
  demand(got.events == expected.events, "the records are those of the naive reader");
  demand(got.ended == expected.ended, "the end is that of the naive reader");
  // Where the size changes in a chain, what was written beyond the smaller one is nobody's.
  if (std::count(expected.events.begin(), expected.events.end(), 'h') == 1)
    demand(got.disk == expected.disk, "the disk is what the array of the naive reader holds");
  return 0;
}
