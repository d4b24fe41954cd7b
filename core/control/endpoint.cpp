// SPDX-License-Identifier: BSD-3-Clause
#include "control/endpoint.hpp"

#include "log/reason.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace nbdstream::control {
namespace {

/// Without waiting: a peer that does not take it is told by the end of its connection.
void refuse_connection(int socket) noexcept {
  static const auto text = [] {
    const auto a = refuse(503, "too many connections wait for the end of a stream");
    return render_header(a, false) + a.body;
  }();
  static_cast<void>(::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

}  // namespace

endpoint::endpoint(asio::any_io_executor executor, settings s, service& all, log::logger& log)
    : executor_(std::move(executor)),
      settings_(std::move(s)),
      all_(all),
      log_(log),
      scope_(executor_, [this](std::exception_ptr failed) {
        log_.error("control: {}", log::reason(failed));
      }) {}

void endpoint::listen(std::vector<listening_socket> sockets) {
  sockets_ = std::move(sockets);
  for (const auto& socket : sockets_) {
    listeners_.push_back(std::make_unique<listener>(
        executor_, socket, log_, [this](io::unique_fd accepted) { accept(std::move(accepted)); }));
    scope_.spawn(listeners_.back()->run());
  }
}

bool endpoint::make_room() {
  using state = http_connection::state;
  const auto open = [](const auto& c) { return !c.closed(); };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(connections_, open));
  if (count < most_connections) return true;
  // Who waits for an answer on the Unix socket may have told something, and keeps its place.
  const auto last = settings_.where == place::metrics ? state::answering : state::streaming;
  for (const auto gives_way : {state::reading, state::streaming, last}) {
    const auto oldest = std::ranges::find_if(
        connections_, [&](const auto& c) { return !c.closed() && c.current() == gives_way; });
    if (oldest == connections_.end()) continue;
    oldest->close();
    return true;
  }
  return false;
}

void endpoint::accept(io::unique_fd socket) {
  if (!make_room()) return refuse_connection(socket.get());
  try {
    tune_connection(socket.get());
    auto transport = io::socket_transport(executor_, std::move(socket));
    const auto place =
        connections_.emplace(connections_.end(), executor_, settings_.times, settings_.where,
                             settings_.host, std::move(transport), all_);
    try {
      scope_.spawn(serve_one(place));
    } catch (...) {
      connections_.erase(place);
      throw;
    }
  } catch (...) {
    log_.error("control: a connection cannot be served: {}", log::reason(std::current_exception()));
  }
}

awaitable<void> endpoint::serve_one(connections::iterator which) {
  try {
    co_await which->run();
  } catch (...) {
    log_.error("control: a connection was closed: {}", log::reason(std::current_exception()));
  }
  connections_.erase(which);
  all_.changed().notify_all();
}

void endpoint::close_listeners() {
  for (const auto& l : listeners_) l->close();
  sockets_.clear();
}

void endpoint::close_idle() noexcept {
  for (auto& c : connections_) c.close_if_idle();
}

void endpoint::close_all() noexcept {
  for (auto& c : connections_) c.close();
}

}  // namespace nbdstream::control
