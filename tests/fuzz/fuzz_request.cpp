// SPDX-License-Identifier: BSD-3-Clause
//
// The size of an export (8 bytes), its transmission flags (2), and a header: whatever passes the
// checks lies within the export, as numbers that cannot overflow say.
#include "fuzz/demand.hpp"
#include "protocol/request.hpp"
#include "support/scripted_client.hpp"

#include <algorithm>

namespace {

using namespace nbdstream::test;
using namespace nbdstream::protocol;

__extension__ using wide = unsigned __int128;

constexpr std::uint32_t extended_magic = 0x21e41c71;
constexpr std::uint64_t largest_size = ~std::uint64_t{0} >> 1;

void expect_fields(const request& r, std::string_view header) {
  demand(r.flags == from_big_endian(header.substr(4), 2), "the flags are those of the header");
  demand(static_cast<std::uint16_t>(r.type) == from_big_endian(header.substr(6), 2),
         "the command is that of the header");
  demand(r.cookie == from_big_endian(header.substr(8), 8), "the cookie is that of the header");
  demand(r.offset == from_big_endian(header.substr(16), 8), "the offset is that of the header");
  demand(r.length == from_big_endian(header.substr(24), r.extended ? 8 : 4),
         "the length is that of the header");
}

void expect_placed(const request& r, std::uint64_t size) {
  if (r.type != command::read && !r.writes()) return;
  const wide end = wide{r.offset} + r.length;
  const wide sector_end = (wide{size} + 511) / 512 * 512;
  demand(end <= (r.type == command::read ? wide{size} : sector_end), "it lies within the export");
  if (r.type == command::read) demand(r.length <= 32 << 20, "a READ is of at most 32 MiB");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  settings_of settings({data, length});
  const auto size = settings.number(8) & largest_size;
  const auto flags = static_cast<std::uint16_t>(settings.number(2));
  // A header of either form is tried where that form was agreed on.
  terms agreed{size, flags, form::simple, (size & 1) != 0};
  auto header = settings.rest();
  const auto magic = from_big_endian(header.substr(0, 4), std::min<std::size_t>(4, header.size()));
  if (magic == extended_magic) agreed.reply_form = form::extended;
  header = header.substr(0, agreed.header_size());
  if (header.size() < agreed.header_size()) return 0;
  const auto decoded = decode_request(std::as_bytes(std::span(header)), agreed);
  demand(decoded.has_value() == (magic == 0x25609513 || magic == extended_magic),
         "there is a request where its magic is, and only there");
  if (!decoded) return 0;
  expect_fields(*decoded, header);
  demand(!name_of(decoded->type).empty(), "every command has a name");
  const auto found = check_request(*decoded, agreed);
  demand((found.error == wire_error::none) == found.why.empty(), "a refusal has a reason");
  demand(decoded->extended || found.disconnect == (decoded->payload() > 128 << 20),
         "what cannot be skipped is hung up on, and nothing else");
  if (found.error != wire_error::none) return 0;
  demand(decoded->payload() <= 32 << 20, "a payload is of at most 32 MiB");
  expect_placed(*decoded, size);
  return 0;
}
