// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_APPS_CONTROL_CLIENT_HPP
#define NBDSTREAM_APPS_CONTROL_CLIENT_HPP

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace nbdstream {

/// No answer could be had from a control socket; one line for the user.
class control_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct control_reply {
  unsigned status = 0;  ///< of HTTP
  std::string body;
};

/// One request on the control socket at `path`, and its answer, for which this waits: at most for
/// `time` without a byte, or for as long as it takes. Throws control_error.
[[nodiscard]] control_reply ask_control(const std::string& path, const std::string& method,
                                        const std::string& target, const std::string& body,
                                        std::optional<std::chrono::nanoseconds> time);

}  // namespace nbdstream
#endif
