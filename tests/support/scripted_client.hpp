// SPDX-License-Identifier: BSD-3-Clause
//
// An NBD client as a script: builds the bytes that it sends, and reads those that it gets. It has
// its own idea of the protocol's numbers, so that a mistake of the product's cannot hide itself.
#ifndef NBDSTREAM_TESTS_SUPPORT_SCRIPTED_CLIENT_HPP
#define NBDSTREAM_TESTS_SUPPORT_SCRIPTED_CLIENT_HPP

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::test {

/// `value` as `size` bytes, most significant first.
[[nodiscard]] std::string big_endian(std::uint64_t value, int size);
/// The number that the first `size` bytes of `text` are.
[[nodiscard]] std::uint64_t from_big_endian(std::string_view text, int size);

/// The header of an option, and its data.
[[nodiscard]] std::string option_message(std::uint32_t option, std::string_view data = {});
/// The data of NBD_OPT_INFO and NBD_OPT_GO.
[[nodiscard]] std::string info_data(std::string_view name,
                                    const std::vector<std::uint16_t>& wanted = {});
/// A header of the transmission phase.
[[nodiscard]] std::string request_message(std::uint16_t flags, std::uint16_t type,
                                          std::uint64_t cookie, std::uint64_t offset,
                                          std::uint32_t length);
/// The same where extended headers were agreed on.
[[nodiscard]] std::string extended_request(std::uint16_t flags, std::uint16_t type,
                                           std::uint64_t cookie, std::uint64_t offset,
                                           std::uint64_t length);
/// The data of LIST_META_CONTEXT and SET_META_CONTEXT.
[[nodiscard]] std::string meta_data(std::string_view name, const std::vector<std::string>& queries);

struct option_answer {
  std::uint32_t option, type;
  std::string data;
};

struct answer {
  std::uint64_t cookie;
  std::uint32_t error;
  std::string data;  ///< of a READ
  std::string text;  ///< of an error
};

/// A part of an answer that is not a simple reply.
struct chunk {
  std::uint64_t cookie;
  std::uint16_t flags, type;
  std::string payload;
};

/// What a server said.
struct transcript {
  bool greeted = false;
  std::vector<option_answer> options;
  std::string export_reply;  ///< to EXPORT_NAME: size, flags, padding
  std::vector<answer> answers;
  std::vector<chunk> chunks;
  std::string leftover;  ///< the beginning of an unfinished message
  std::string wrong;     ///< what no server may say; empty: nothing
};

class scripted_client {
 public:
  // The numbers of doc/proto.md.
  static constexpr std::uint16_t read_command = 0, write_command = 1, disc_command = 2,
                                 flush_command = 3, trim_command = 4, cache_command = 5,
                                 zeroes_command = 6, status_command = 7;
  static constexpr std::uint16_t fua = 1, no_hole = 2, df = 4, req_one = 8, fast_zero = 16,
                                 payload_len = 32;

  // The handshake.
  scripted_client& flags(std::uint32_t client_flags = 3);
  scripted_client& option(std::uint32_t number, std::string_view data = {});
  scripted_client& go(std::string_view name = {});
  scripted_client& export_name(std::string_view name = {});
  scripted_client& structured();
  scripted_client& extended();
  /// Asks for base:allocation.
  scripted_client& allocation(std::string_view name = {});

  // The transmission phase; cookies count from 1.
  scripted_client& request(std::uint16_t type, std::uint64_t offset, std::uint64_t length,
                           std::uint16_t command_flags = 0, std::string_view payload = {});
  scripted_client& write(std::uint64_t offset, std::string_view data, std::uint16_t f = 0) {
    return request(write_command, offset, data.size(), f, data);
  }
  scripted_client& zeroes(std::uint64_t offset, std::uint64_t length, std::uint16_t f = 0) {
    return request(zeroes_command, offset, length, f);
  }
  scripted_client& trim(std::uint64_t offset, std::uint64_t length) {
    return request(trim_command, offset, length);
  }
  scripted_client& read(std::uint64_t offset, std::uint64_t length, std::uint16_t f = 0) {
    return request(read_command, offset, length, f);
  }
  scripted_client& status(std::uint64_t offset, std::uint64_t length, std::uint16_t f = 0) {
    return request(status_command, offset, length, f);
  }
  scripted_client& flush() { return request(flush_command, 0, 0); }
  scripted_client& disc() { return request(disc_command, 0, 0); }
  scripted_client& raw(std::string_view bytes);

  [[nodiscard]] const std::string& script() const noexcept { return script_; }
  /// Where each request ends in the script (its payload included), but for DISC, which gets no
  /// answer; by cookie.
  [[nodiscard]] const std::map<std::uint64_t, std::size_t>& ends() const noexcept { return ends_; }

  /// Reads `output`, what a server said to this script.
  [[nodiscard]] transcript parse(std::string_view output) const;

 private:
  friend class answer_taker;
  enum class form { simple, structured, extended };
  struct asked {
    std::uint16_t type;
    std::uint64_t offset, length;
  };

  std::string script_;
  bool by_name_ = false;    ///< EXPORT_NAME ends the handshake, not GO
  bool no_zeroes_ = false;  ///< as the client flags say
  std::uint64_t cookie_ = 0;
  form form_ = form::simple;
  std::map<std::uint64_t, asked> asked_;
  std::map<std::uint64_t, std::size_t> ends_;
};

}  // namespace nbdstream::test
#endif
