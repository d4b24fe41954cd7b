// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/reply.hpp"

namespace nbdstream::protocol {

writer reply_writer::chunk(const cookie& of, chunk_type type, std::uint64_t payload, bool last) {
  const std::uint16_t flags = last ? reply_flag::done : 0;
  writer out(out_);
  if (form_ == form::extended) {
    out.put(extended_reply_magic).put(flags).put(static_cast<std::uint16_t>(type));
    return out.put(of.value).put(of.offset).put(payload);
  }
  out.put(structured_reply_magic).put(flags).put(static_cast<std::uint16_t>(type));
  return out.put(of.value).put(static_cast<std::uint32_t>(payload));
}

void reply_writer::success(const cookie& of) {
  // Where both are allowed, the simple reply is the shorter one.
  if (form_ == form::extended) return nothing(of);
  writer(out_).put(simple_reply_magic).put<std::uint32_t>(0).put(of.value);
}

void reply_writer::nothing(const cookie& of) {
  chunk(of, chunk_type::none, 0, true);
}

void reply_writer::failure(const cookie& of, wire_error error, std::string_view text) {
  const auto number = static_cast<std::uint32_t>(error);
  if (form_ == form::simple) {
    writer(out_).put(simple_reply_magic).put(number).put(of.value);
    return;
  }
  text = text.substr(0, max_string);
  chunk(of, chunk_type::error, 4 + 2 + text.size(), true)
      .put(number)
      .put(static_cast<std::uint16_t>(text.size()))
      .text(text);
}

void reply_writer::data(const cookie& of, std::uint64_t offset, std::uint64_t length, bool last) {
  if (form_ == form::simple) return success(of);
  chunk(of, chunk_type::offset_data, 8 + length, last).put(offset);
}

void reply_writer::hole(const cookie& of, std::uint64_t offset, std::uint64_t length, bool last) {
  chunk(of, chunk_type::offset_hole, 8 + 4, last)
      .put(offset)
      .put(static_cast<std::uint32_t>(length));
}

void reply_writer::status(const cookie& of, std::span<const status_extent> extents) {
  if (form_ == form::extended) {
    auto out = chunk(of, chunk_type::block_status_ext, 8 + 16 * extents.size(), true);
    out.put(allocation_context).put(static_cast<std::uint32_t>(extents.size()));
    for (const auto& e : extents) out.put(e.length).put<std::uint64_t>(e.flags);
    return;
  }
  auto out = chunk(of, chunk_type::block_status, 4 + 8 * extents.size(), true);
  out.put(allocation_context);
  for (const auto& e : extents) out.put(static_cast<std::uint32_t>(e.length)).put(e.flags);
}

}  // namespace nbdstream::protocol
