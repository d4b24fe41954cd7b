// SPDX-License-Identifier: BSD-3-Clause
//
// How many entries are taken at a time (1 byte), and a file in the seekable format, or what claims
// to be one: a table that is taken accounts for every byte of the file, and finds each byte of the
// content in one frame. All of it at once is the same as piece by piece.
#include "fuzz/demand.hpp"
#include "seekable/table.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace nbdstream;
using test::demand;
using bytes = std::span<const std::byte>;

/// Nothing: it is refused, for a reason that is said.
std::optional<seekable::table> read(bytes file, std::size_t at_once) {
  const auto refused = [](const std::string& why) { return !why.empty(); };
  seekable::footer footer;
  const auto last = file.last(std::min(file.size(), seekable::footer_size));
  if (refused(seekable::read_footer(last, file.size(), footer))) return std::nullopt;
  demand(footer.table_size() <= file.size(), "the table is within the file");
  auto rest = file.last(footer.table_size());
  seekable::table table(footer, file.size());
  if (refused(table.take_header(rest.first(seekable::table_header_size)))) return std::nullopt;
  rest = rest.subspan(seekable::table_header_size);
  rest = rest.first(rest.size() - seekable::footer_size);
  while (!rest.empty()) {
    const auto piece = rest.first(std::min(rest.size(), at_once * footer.entry));
    if (refused(table.take_entries(piece))) return std::nullopt;
    rest = rest.subspan(piece.size());
  }
  if (refused(table.finish())) return std::nullopt;
  return table;
}

void check(const seekable::table& table, std::uint64_t file_size) {
  std::uint64_t at = 0;
  std::uint64_t content = 0;
  std::size_t index = 0;
  for (const auto& f : table.frames()) {
    demand(f.at >= at && f.begin == content, "frames follow one another");
    demand(f.content > 0 && f.content <= seekable::largest_read_frame, "a frame can be read");
    demand(f.compressed > 0 && f.at + f.compressed <= file_size, "a frame is within the file");
    demand(table.frame_with(f.begin) == index && table.frame_with(f.end() - 1) == index,
           "a byte is in one frame");
    at = f.at + f.compressed;
    content = f.end();
    ++index;
  }
  demand(table.size() == content, "the size is that of all frames");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  if (length == 0) return 0;
  const std::size_t at_once = data[0] + std::size_t{1};
  const auto file = std::as_bytes(std::span(data + 1, length - 1));
  const auto in_pieces = read(file, at_once);
  const auto whole = read(file, file.size() + 1);
  demand(in_pieces.has_value() == whole.has_value(), "pieces do not matter");
  if (!whole) return 0;
  demand(in_pieces->size() == whole->size() && in_pieces->frames().size() == whole->frames().size(),
         "pieces change nothing");
  check(*whole, file.size());
  return 0;
}
