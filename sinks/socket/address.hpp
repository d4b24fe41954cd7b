// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINKS_SOCKET_ADDRESS_HPP
#define NBDSTREAM_SINKS_SOCKET_ADDRESS_HPP

#include <string>
#include <string_view>
#include <vector>

#include "../medium/connection.hpp"

namespace nbdstream::socket {

/// An address as the user writes it: tcp://host:port, unix:///path, or the path of a Unix socket.
struct address {
  std::string path;  ///< empty: TCP
  std::string host;
  std::string port;
};

/// Throws sink_error that says in one sentence what is wrong with it.
address parse_address(std::string_view text);

/// Everywhere that the address leads to, in the order to try. Looks up names: blocks. Throws.
std::vector<medium::socket_address> resolve(const address& where);

}  // namespace nbdstream::socket

#endif
