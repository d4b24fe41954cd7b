// SPDX-License-Identifier: BSD-3-Clause
//
// The numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md, "Values") and the limits
// that this server sets where the protocol leaves it the choice ("Size constraints").
#ifndef NBDSTREAM_PROTOCOL_CONSTANTS_HPP
#define NBDSTREAM_PROTOCOL_CONSTANTS_HPP

#include <cstddef>
#include <cstdint>

namespace nbdstream::protocol {

// Handshake phase: "Newstyle negotiation", "Fixed newstyle negotiation".
inline constexpr std::uint64_t greeting_magic = 0x4e42444d41474943;  // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054;    // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;

namespace handshake_flag {
inline constexpr std::uint16_t fixed_newstyle = 1 << 0;
inline constexpr std::uint16_t no_zeroes = 1 << 1;
}  // namespace handshake_flag

namespace client_flag {
inline constexpr std::uint32_t fixed_newstyle = 1 << 0;
inline constexpr std::uint32_t no_zeroes = 1 << 1;
}  // namespace client_flag

/// "Option types". An unknown value is legal here: it is what the peer sent.
enum class option : std::uint32_t {
  export_name = 1,
  abort = 2,
  list = 3,
  starttls = 5,
  info = 6,
  go = 7,
  structured_reply = 8,
  list_meta_context = 9,
  set_meta_context = 10,
  extended_headers = 11,
};

/// "Option reply types".
enum class option_reply : std::uint32_t {
  ack = 1,
  server = 2,
  info = 3,
  meta_context = 4,
  err_unsup = 0x80000001,
  err_policy = 0x80000002,
  err_invalid = 0x80000003,
  err_tls_reqd = 0x80000005,
  err_unknown = 0x80000006,
  err_shutdown = 0x80000007,
  err_too_big = 0x80000009,
  err_ext_header_reqd = 0x8000000a,
};

/// The types of information in NBD_REP_INFO.
enum class info_type : std::uint16_t { export_ = 0, name = 1, description = 2, block_size = 3 };

/// "Transmission flags".
namespace transmission_flag {
inline constexpr std::uint16_t has_flags = 1 << 0;
inline constexpr std::uint16_t read_only = 1 << 1;
inline constexpr std::uint16_t send_flush = 1 << 2;
inline constexpr std::uint16_t send_fua = 1 << 3;
inline constexpr std::uint16_t send_trim = 1 << 5;
inline constexpr std::uint16_t send_write_zeroes = 1 << 6;
inline constexpr std::uint16_t send_df = 1 << 7;
inline constexpr std::uint16_t can_multi_conn = 1 << 8;
inline constexpr std::uint16_t send_cache = 1 << 10;
inline constexpr std::uint16_t send_fast_zero = 1 << 11;
inline constexpr std::uint16_t block_status_payload = 1 << 12;
}  // namespace transmission_flag

// Transmission phase: "Request message", "Simple reply message", and the chunks of the others.
inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t extended_request_magic = 0x21e41c71;
inline constexpr std::uint32_t simple_reply_magic = 0x67446698;
inline constexpr std::uint32_t structured_reply_magic = 0x668e33ef;
inline constexpr std::uint32_t extended_reply_magic = 0x6e8a278c;
inline constexpr std::size_t request_size = 28;  // bytes, as are those below
inline constexpr std::size_t extended_request_size = 32;
inline constexpr std::size_t simple_reply_size = 16;

/// "Request types". An unknown value is legal here: it is what the peer sent.
enum class command : std::uint16_t {
  read = 0,
  write = 1,
  disconnect = 2,
  flush = 3,
  trim = 4,
  cache = 5,
  write_zeroes = 6,
  block_status = 7,
};

/// "Command flags".
namespace command_flag {
inline constexpr std::uint16_t fua = 1 << 0;
inline constexpr std::uint16_t no_hole = 1 << 1;
inline constexpr std::uint16_t df = 1 << 2;
inline constexpr std::uint16_t req_one = 1 << 3;
inline constexpr std::uint16_t fast_zero = 1 << 4;
inline constexpr std::uint16_t payload_len = 1 << 5;
}  // namespace command_flag

/// "Structured reply types".
enum class chunk_type : std::uint16_t {
  none = 0,
  offset_data = 1,
  offset_hole = 2,
  block_status = 5,
  block_status_ext = 6,
  error = 0x8001,
};

/// "Structured and extended header reply flags".
namespace reply_flag {
inline constexpr std::uint16_t done = 1 << 0;
}  // namespace reply_flag

/// The `base:allocation` metadata context; the number is our own choice.
inline constexpr std::uint32_t allocation_context = 1;
namespace allocation_state {
inline constexpr std::uint32_t hole = 1 << 0;
inline constexpr std::uint32_t zero = 1 << 1;
}  // namespace allocation_state

/// "Error values": all that may stand in a reply.
enum class wire_error : std::uint32_t {
  none = 0,
  perm = 1,
  io = 5,
  nomem = 12,
  inval = 22,
  nospc = 28,
  overflow = 75,
  notsup = 95,
  shutdown = 108,
};

// Our own limits.
inline constexpr std::uint32_t max_string = 4096;              // "Strings": bytes in a name
inline constexpr std::uint32_t max_option_payload = 64 << 10;  // bytes; larger ones are hung up on
inline constexpr std::size_t max_options = 64;  // in one handshake, and a few for each export
inline constexpr std::size_t max_queries = 64;  // in one option about metadata contexts
inline constexpr std::uint32_t min_block = 1;   // bytes, as are those below
inline constexpr std::uint32_t preferred_block = 256 << 10;
inline constexpr std::uint32_t max_payload = 32 << 20;           // larger: EINVAL
inline constexpr std::uint32_t max_skipped_payload = 128 << 20;  // larger: disconnected

}  // namespace nbdstream::protocol
#endif
