// SPDX-License-Identifier: BSD-3-Clause
#include "server/connections.hpp"

#include "log/reason.hpp"
#include "server/listener.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace nbdstream {
namespace {

constexpr std::size_t max_negotiated = 100;
constexpr std::ptrdiff_t max_negotiating = 100;

/// How long clients may take to disconnect, once all is over.
constexpr auto goodbye_time = std::chrono::seconds(1);

protocol::tls_policy policy_of(config::tls_mode mode) {
  switch (mode) {
    case config::tls_mode::on: return protocol::tls_policy::on;
    case config::tls_mode::require: return protocol::tls_policy::require;
    default: return protocol::tls_policy::off;
  }
}

}  // namespace

connections::connections(asio::any_io_executor executor, const config::server_config& config,
                         std::shared_ptr<const io::tls_context> tls, session_host& host,
                         log::logger& log, io::condition& changed)
    : executor_(std::move(executor)),
      config_(config),
      tls_(std::move(tls)),
      host_(host),
      log_(log),
      changed_(changed),
      scope_(executor_, [this](std::exception_ptr) { changed_.notify_all(); }) {}

std::optional<protocol::negotiator::refusal> connections::gate(bool stopping) const {
  using protocol::option_reply;
  if (stopping) return {{option_reply::err_shutdown, "the server is shutting down"}};
  const auto count = std::ranges::count_if(sessions_, &session::transmitting);
  if (static_cast<std::size_t>(count) < max_negotiated) return std::nullopt;
  return {{option_reply::err_policy, "too many connections"}};
}

bool connections::read_last_words() const {
  return std::ranges::any_of(sessions_, &session::reads_last_words);
}

/// Of those that still negotiate the oldest makes room.
void connections::make_room() {
  if (std::ranges::count_if(sessions_, &session::negotiating) < max_negotiating) return;
  const auto oldest = std::ranges::find_if(sessions_, &session::negotiating);
  oldest->log().info("closed in the handshake to make room for others");
  oldest->close();
}

void connections::accept(io::unique_fd socket) {
  tune_connection(socket.get());
  try {
    make_room();
    serve(io::socket_transport(executor_, std::move(socket)));
  } catch (...) {
    log_.error("a connection cannot be served: {}", log::reason(std::current_exception()));
  }
}

void connections::accept_standard_streams() {
  io::unique_fd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  io::unique_fd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  // The client sees the end when the session closes, and nothing else reads or writes there.
  const io::unique_fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  tune_connection(in.get());
  serve(io::stdio_transport(executor_, std::move(in), std::move(out)));
}

void connections::serve(std::unique_ptr<io::transport> transport) {
  if (tls_) transport = io::tls_transport(executor_, std::move(transport), tls_);
  const session::settings s{++last_id_, config_.handshake_timeout, config_.payload_timeout,
                            policy_of(config::effective_tls(config_))};
  const auto place =
      sessions_.emplace(sessions_.end(), executor_, s, std::move(transport), host_, log_);
  try {
    scope_.spawn(serve_one(place));
  } catch (...) {
    sessions_.erase(place);
    throw;
  }
}

awaitable<void> connections::serve_one(std::list<session>::iterator place) {
  try {
    co_await place->run();
  } catch (...) {
    place->log().error("closed: {}", log::reason(std::current_exception()));
  }
  sessions_.erase(place);
  changed_.notify_all();
}

std::vector<status::connection> connections::snapshot() const {
  std::vector<status::connection> all;
  for (const auto& s : sessions_) {
    if (!s.transmitting()) continue;
    all.push_back({.id = s.peer().id,
                   .export_name = s.exported()->info().name,
                   .writes = s.peer().joined != nullptr,
                   .written = s.peer().written});
  }
  return all;
}

void connections::close_negotiating() {
  for (auto& s : sessions_) {
    if (s.negotiating()) s.close();
  }
}

awaitable<void> connections::close_all(bool all_can_end) {
  close_negotiating();
  auto until = io::clock::now() + goodbye_time;
  while (!empty() && io::clock::now() < until) co_await changed_.wait(until);
  for (auto& s : sessions_) s.close();
  until = all_can_end ? io::clock::time_point::max() : io::clock::now() + goodbye_time;
  while (!empty() && io::clock::now() < until) co_await changed_.wait(until);
}

}  // namespace nbdstream
