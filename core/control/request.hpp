// SPDX-License-Identifier: BSD-3-Clause
//
// What comes and goes on a connection of the control server, as plain values.
#ifndef NBDSTREAM_CONTROL_REQUEST_HPP
#define NBDSTREAM_CONTROL_REQUEST_HPP

#include <cstddef>
#include <string>

namespace nbdstream::control {

/// What a peer may send.
inline constexpr std::size_t longest_header = 8 << 10;  // bytes, with the request line
inline constexpr std::size_t longest_body = 4 << 10;    // bytes
inline constexpr std::size_t longest_reason = 1000;     // bytes, of an abort

/// Where a connection comes in.
enum class place {
  control,  ///< the Unix socket of --control
  metrics   ///< TCP, --metrics: reads only
};

/// One request, as it came; nothing in it has been looked at.
struct request {
  std::string method;
  std::string target;
  std::string body;
  // Header fields; empty where they are missing.
  std::string host;
  std::string accept;
  std::string content_type;
  std::string origin;
  bool http_1_0 = false;
  bool keep_alive = false;
};

/// One answer.
struct answer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow{};   ///< 405: the methods that are
  std::string policy{};  ///< of the page: Content-Security-Policy
};

/// {"error": sentence}
[[nodiscard]] answer refuse(unsigned status, const std::string& sentence);

/// The header of `a` as it goes over the wire. The length of its body is known.
[[nodiscard]] std::string render_header(const answer& a, bool keep_alive);
/// The header of a body without end: server-sent events.
[[nodiscard]] std::string render_event_header();

}  // namespace nbdstream::control
#endif
