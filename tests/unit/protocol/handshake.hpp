// SPDX-License-Identifier: BSD-3-Clause
//
// A handshake with the machine: it gets exactly what it wants(), as long as it talks.
#ifndef NBDSTREAM_TESTS_UNIT_PROTOCOL_HANDSHAKE_HPP
#define NBDSTREAM_TESTS_UNIT_PROTOCOL_HANDSHAKE_HPP

#include "protocol/negotiator.hpp"
#include "support/scripted_client.hpp"

#include <gtest/gtest.h>

namespace nbdstream::protocol::test {

using nbdstream::test::big_endian;
using nbdstream::test::info_data;
using nbdstream::test::option_message;

inline constexpr std::uint32_t list = 3, info = 6, go = 7;
inline constexpr std::uint32_t acknowledged = 1, server_reply = 2, info_reply = 3,
                               err_unsup = 0x80000001, err_invalid = 0x80000003,
                               err_unknown = 0x80000006, err_shutdown = 0x80000007,
                               err_too_big = 0x80000009;

inline const export_info two_exports[] = {{"a", "the first", 5000, 0x0d}, {"bb", "", 7, 1}};

/// The flags of a modern client.
inline std::string flags() {
  return big_endian(3, 4);
}

class handshake {
 public:
  explicit handshake(std::string_view script, std::span<const export_info> exports = two_exports)
      : own_(exports), machine(own_) {
    talk(script);
  }
  handshake(negotiator& m, std::string_view script) : own_({}), machine(m) { talk(script); }

 private:
  void talk(std::string_view script) {
    collect();
    while (machine.current() == negotiator::state::talking) {
      EXPECT_GE(machine.wants(), 1u);
      EXPECT_LE(machine.wants(), max_option_payload);
      if (machine.wants() > script.size()) break;
      // A copy of exactly this size, so that a sanitizer sees a read beyond it.
      const auto* const from = reinterpret_cast<const std::byte*>(script.data());
      const std::vector<std::byte> piece(from, from + machine.wants());
      script.remove_prefix(piece.size());
      machine.receive(piece);
      collect();
    }
    unused = script.size();
    said = nbdstream::test::scripted_client().parse(
        output.starts_with("NBDMAGIC") ? output : greeting() + output);
  }
  void collect() {
    output.append(reinterpret_cast<const char*>(machine.output().data()), machine.output().size());
    machine.output().clear();
  }
  static std::string greeting() { return "NBDMAGICIHAVEOPT" + big_endian(3, 2); }

  negotiator own_;

 public:
  negotiator& machine;
  std::string output;  ///< all that it said
  nbdstream::test::transcript said;
  std::size_t unused = 0;  ///< bytes of the script that it did not want
};

/// `option` gets one reply of this type, and the handshake goes on.
inline void expect_refused(const std::string& option, std::uint32_t type) {
  handshake h(flags() + option);
  EXPECT_EQ(h.machine.current(), negotiator::state::talking);
  EXPECT_EQ(h.unused, 0u);
  ASSERT_EQ(h.said.options.size(), 1u);
  EXPECT_EQ(h.said.options[0].type, type);
  EXPECT_LE(h.said.options[0].data.size(), 4096u);
}

}  // namespace nbdstream::protocol::test
#endif
