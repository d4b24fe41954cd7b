// SPDX-License-Identifier: BSD-3-Clause
//
// A client of a rig. It sends one request after another, and knows which were answered.
#ifndef NBDSTREAM_TESTS_PROPERTY_LINK_HPP
#define NBDSTREAM_TESTS_PROPERTY_LINK_HPP

#include "script.hpp"

#include "unit/server/rig.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace nbdstream::test {

/// Repeats each byte of `text` `unit` times.
[[nodiscard]] std::string stretched(std::string_view text, std::uint32_t unit);
/// The text of which stretched() makes `text`, or nothing if there is none.
[[nodiscard]] std::optional<std::string> shrunk(std::string_view text, std::uint32_t unit);

class link {
 public:
  struct request {
    op what;
    bool answered = false;
    std::uint32_t error = 0;
    std::string data{};
  };

  /// Each byte of the script stands for `unit` bytes.
  explicit link(rig& r, std::uint32_t unit = 1);

  /// Sends a request without waiting for the reply. Returns its cookie.
  std::uint64_t send(const op& o, std::size_t index, const script& s);

  /// The bytes before the script's part of the disk: data, which a stream sends at once; zeroes
  /// with spool, which sends nothing before the end.
  [[nodiscard]] static std::string content_before(const script& s);
  /// Writes or zeroes those bytes. Returns the cookie.
  std::uint64_t name_before(const script& s);

  /// Reads the replies that have come. Returns "", or what is wrong with them.
  [[nodiscard]] std::string take_answers();

  [[nodiscard]] const request& at(std::uint64_t cookie) const { return requests_.at(cookie); }
  /// The cookies of requests without a reply, except that of the probe.
  [[nodiscard]] const std::set<std::uint64_t>& unanswered() const noexcept { return unanswered_; }
  [[nodiscard]] bool blocked() const { return probe != 0 && !at(probe).answered; }
  [[nodiscard]] bool done() const noexcept { return connection_.done; }

  bool joined = false;  ///< it has written
  bool said_goodbye = false;
  std::uint64_t probe = 0;  ///< the cookie of a FLUSH that tells whether it is blocked

 private:
  [[nodiscard]] std::string take_one(std::string_view& rest);
  void say(const std::string& message);

  rig::connection& connection_;
  std::uint32_t unit_;
  std::uint64_t cookie_ = 0;
  std::size_t taken_ = 0;
  std::map<std::uint64_t, request> requests_;
  std::set<std::uint64_t> unanswered_;
};

}  // namespace nbdstream::test
#endif
