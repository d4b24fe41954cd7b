// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/request.hpp"

#include "protocol/sector.hpp"

namespace nbdstream::protocol {
namespace {

/// The command flags that a client may set ("Command flags"; existing clients set FUA on
/// everything, which a server that offers FUA must accept).
std::uint16_t allowed_flags(const request& r, std::uint16_t offered) noexcept {
  std::uint16_t allowed = (offered & transmission_flag::send_fua) ? command_flag::fua : 0;
  switch (r.type) {
    case command::read:
      if (offered & transmission_flag::send_df) allowed |= command_flag::df;
      break;
    case command::write:
      if (r.extended) allowed |= command_flag::payload_len;
      break;
    case command::write_zeroes:
      allowed |= command_flag::no_hole;
      if (offered & transmission_flag::send_fast_zero) allowed |= command_flag::fast_zero;
      break;
    case command::block_status:
      allowed |= command_flag::req_one;
      if (offered & transmission_flag::block_status_payload) allowed |= command_flag::payload_len;
      break;
    default: break;
  }
  return allowed;
}

bool offered_command(command type, std::uint16_t offered) noexcept {
  switch (type) {
    case command::read:
    case command::write:
    case command::disconnect:
    case command::block_status: return true;
    case command::flush: return offered & transmission_flag::send_flush;
    case command::trim: return offered & transmission_flag::send_trim;
    case command::cache: return offered & transmission_flag::send_cache;
    case command::write_zeroes: return offered & transmission_flag::send_write_zeroes;
  }
  return false;
}

/// Safe for every offset and length up to 2^64.
bool within(const request& r, std::uint64_t limit) noexcept {
  return r.offset <= limit && r.length <= limit - r.offset;
}

/// What makes it impossible to stay in step with the client.
verdict check_payload(const request& r) noexcept {
  // "Request message": a server should hang up on what is larger than it said it takes; where
  // headers are compact, we skip somewhat more, since clients may not know what we take.
  if (r.payload() > (r.extended ? max_payload : max_skipped_payload)) {
    return {wire_error::inval, true, "a payload that is far too large"};
  }
  return {};
}

/// Commands that do not write.
verdict check_reading(const request& r, const terms& agreed) noexcept {
  if (r.type == command::read && r.length > max_payload) {
    const bool simple = agreed.reply_form == form::simple;
    return {simple ? wire_error::inval : wire_error::overflow, false, "more than 32 MiB"};
  }
  if (r.type == command::block_status) {
    if (!agreed.allocation) {
      return {wire_error::inval, false, "no metadata context was agreed on"};
    }
    if (r.payload() > 0) {
      if (r.payload() == status_payload_size) return {};
      return {wire_error::inval, false, "not one metadata context"};
    }
    if (r.length == 0) return {wire_error::inval, false, "the status of no bytes"};
  }
  if (within(r, agreed.size)) return {};
  return {wire_error::inval, false, "beyond the end of the export"};
}

verdict check_writing(const request& r, const terms& agreed) noexcept {
  if (r.type == command::write && r.length > max_payload) {
    return {wire_error::inval, false, "more than 32 MiB"};
  }
  if (within(r, (agreed.size + sector - 1) / sector * sector)) return {};
  // "Error values": a trim past the end is invalid, a write has no space.
  return {r.type == command::trim ? wire_error::inval : wire_error::nospc, false,
          "beyond the end of the export"};
}

}  // namespace

std::optional<request> decode_request(bytes header, const terms& agreed) noexcept {
  reader in(header);
  request r;
  r.extended = agreed.reply_form == form::extended;
  const auto magic = r.extended ? extended_request_magic : request_magic;
  if (in.take<std::uint32_t>() != magic) return std::nullopt;
  r.flags = in.take<std::uint16_t>();
  r.type = static_cast<command>(in.take<std::uint16_t>());
  r.cookie = in.take<std::uint64_t>();
  r.offset = in.take<std::uint64_t>();
  r.length = r.extended ? in.take<std::uint64_t>() : in.take<std::uint32_t>();
  return r;
}

verdict check_request(const request& r, const terms& agreed) noexcept {
  if (const auto v = check_payload(r); v.error != wire_error::none) return v;
  if (r.writes() && (agreed.flags & transmission_flag::read_only)) {
    return {wire_error::perm, false, "the export is read-only"};
  }
  if (!offered_command(r.type, agreed.flags)) {
    return {wire_error::inval, false, "an unknown command"};
  }
  if (r.type == command::disconnect) return {};
  if (r.flags & ~allowed_flags(r, agreed.flags)) {
    return {wire_error::inval, false, "an unknown command flag"};
  }
  if (r.type == command::flush) {
    if (r.offset == 0 && r.length == 0) return {};
    return {wire_error::inval, false, "a flush with an offset or a length"};
  }
  return r.writes() ? check_writing(r, agreed) : check_reading(r, agreed);
}

bool apply_status_payload(request& r, bytes payload) noexcept {
  r.flags &= static_cast<std::uint16_t>(~command_flag::payload_len);
  r.length = 0;
  if (payload.size() != status_payload_size) return false;
  reader in(payload);
  r.length = in.take<std::uint64_t>();
  return in.take<std::uint32_t>() == allocation_context;
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
