// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/request.hpp"

namespace nbdstream::protocol {
namespace {

constexpr std::uint64_t sector = 512;

/// The command flags that a client may set ("Command flags"; existing clients set FUA on
/// everything, which a server that offers FUA must accept).
std::uint16_t allowed_flags(command type, std::uint16_t offered) noexcept {
  std::uint16_t allowed = (offered & transmission_flag::send_fua) ? command_flag::fua : 0;
  if (type == command::write_zeroes) {
    allowed |= command_flag::no_hole;
    if (offered & transmission_flag::send_fast_zero) allowed |= command_flag::fast_zero;
  }
  return allowed;
}

bool offered_command(command type, std::uint16_t offered) noexcept {
  switch (type) {
    case command::read:
    case command::write:
    case command::disconnect: return true;
    case command::flush: return offered & transmission_flag::send_flush;
    case command::trim: return offered & transmission_flag::send_trim;
    case command::write_zeroes: return offered & transmission_flag::send_write_zeroes;
    default: return false;
  }
}

/// Safe for every offset and length up to 2^64.
bool within(const request& r, std::uint64_t limit) noexcept {
  return r.offset <= limit && r.length <= limit - r.offset;
}

}  // namespace

std::optional<request> decode_request(bytes header) noexcept {
  reader in(header);
  if (in.take<std::uint32_t>() != request_magic) return std::nullopt;
  request r;
  r.flags = in.take<std::uint16_t>();
  r.type = static_cast<command>(in.take<std::uint16_t>());
  r.cookie = in.take<std::uint64_t>();
  r.offset = in.take<std::uint64_t>();
  r.length = in.take<std::uint32_t>();
  return r;
}

verdict check_request(const request& r, std::uint64_t size, std::uint16_t flags) noexcept {
  if (r.payload() > max_skipped_payload) {
    return {wire_error::inval, true, "a payload of more than 128 MiB"};
  }
  if (!offered_command(r.type, flags)) return {wire_error::inval, false, "an unknown command"};
  if (r.type == command::disconnect) return {};
  if (r.flags & ~allowed_flags(r.type, flags)) {
    return {wire_error::inval, false, "an unknown command flag"};
  }
  if (r.type == command::flush) {
    if (r.offset == 0 && r.length == 0) return {};
    return {wire_error::inval, false, "a flush with an offset or a length"};
  }
  if (r.type == command::read || r.type == command::write) {
    if (r.length > max_payload) return {wire_error::inval, false, "more than 32 MiB"};
  }
  if (r.type == command::read) {
    if (!within(r, size)) return {wire_error::inval, false, "beyond the end of the export"};
  } else if (!within(r, (size + sector - 1) / sector * sector)) {
    // "Error values": a trim past the end is invalid, a write has no space.
    return {r.type == command::trim ? wire_error::inval : wire_error::nospc, false,
            "beyond the end of the export"};
  }
  return {};
}

std::string_view name_of(command type) noexcept {
  switch (type) {
    case command::read: return "READ";
    case command::write: return "WRITE";
    case command::disconnect: return "DISC";
    case command::flush: return "FLUSH";
    case command::trim: return "TRIM";
    case command::cache: return "CACHE";
    case command::write_zeroes: return "WRITE_ZEROES";
    case command::block_status: return "BLOCK_STATUS";
  }
  return "unknown command";
}

}  // namespace nbdstream::protocol
