// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVER_INHERITED_SIGNALS_HPP
#define NBDSTREAM_SERVER_INHERITED_SIGNALS_HPP

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <initializer_list>

namespace nbdstream {

/// What the parent chose to ignore (nohup) stays ignored.
inline void add_unless_ignored(boost::asio::signal_set& to, std::initializer_list<int> numbers) {
  for (const int number : numbers) {
    struct sigaction inherited {};
    ::sigaction(number, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) to.add(number);
  }
}

}  // namespace nbdstream
#endif
