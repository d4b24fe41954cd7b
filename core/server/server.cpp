// SPDX-License-Identifier: BSD-3-Clause
#include "server/server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>

namespace nbdstream {
namespace {

constexpr std::size_t max_negotiated = 100;
constexpr std::size_t max_negotiating = 100;

/// How long clients whose stream has failed may take to hear it and leave, once all is over.
constexpr auto farewell = std::chrono::seconds(1);

/// How often the end of a process group is looked for: there is no event for it.
constexpr auto group_interval = std::chrono::milliseconds(20);

}  // namespace

server::server(asio::any_io_executor executor, const config::configuration& config,
               std::vector<std::unique_ptr<nbd_export>> exports, log::logger& log)
    : executor_(std::move(executor)),
      config_(config.server),
      exports_(std::move(exports)),
      log_(log),
      command_(executor_),
      signals_(executor_, SIGTERM, SIGINT, SIGHUP),
      changed_(executor_),
      scope_(executor_, [this](std::exception_ptr failed) {
        try {
          std::rethrow_exception(failed);
        } catch (const std::exception& e) {
          log_.error("internal error: {}", e.what());
        }
      }) {
  signals_.add(SIGQUIT);
  for (const auto& e : exports_) infos_.push_back(e->info());
}

server::~server() = default;

void server::listen() {
  if (config_.single) return;
  sockets_ = activated_sockets();
  for (const auto& address : config_.listen) {
    for (auto& socket : listen_on(address)) sockets_.push_back(std::move(socket));
  }
}

std::optional<protocol::negotiator::refusal> server::gate() const {
  using protocol::option_reply;
  if (stopping_) return {{option_reply::err_shutdown, "the server is shutting down"}};
  if (negotiated() >= max_negotiated) return {{option_reply::err_policy, "too many connections"}};
  return std::nullopt;
}

std::size_t server::negotiated() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(sessions_, &session::transmitting));
}

void server::make_room() {
  if (std::ranges::count_if(sessions_, &session::negotiating) <
      static_cast<std::ptrdiff_t>(max_negotiating)) {
    return;
  }
  const auto oldest = std::ranges::find_if(sessions_, &session::negotiating);
  log_.info("{}: closed in the handshake to make room for others", oldest->name());
  oldest->close();
}

void server::accept(io::unique_fd socket) {
  if (stopping_) return;
  make_room();
  serve(io::socket_transport(executor_, std::move(socket)));
}

void server::serve(std::unique_ptr<io::transport> transport) {
  const session::settings s{++last_session_, config_.handshake_timeout, config_.payload_timeout};
  session_host& self = *this;
  const auto place =
      sessions_.emplace(sessions_.end(), executor_, s, std::move(transport), self, log_);
  scope_.spawn(serve_connection(place));
}

awaitable<void> server::serve_connection(std::list<session>::iterator place) {
  try {
    co_await place->run();
  } catch (const std::exception& e) {
    log_.error("{}: internal error: {}", place->name(), e.what());
  }
  sessions_.erase(place);
  changed_.notify_all();
}

void server::start_listeners() {
  for (const auto& socket : sockets_) {
    listeners_.push_back(std::make_unique<listener>(
        executor_, socket, [this](io::unique_fd accepted) { accept(std::move(accepted)); }));
    scope_.spawn(listeners_.back()->run());
  }
}

void server::close_listeners() {
  stopping_ = true;
  for (auto& l : listeners_) l->close();
  sockets_.clear();
}

void server::write_pidfile() const {
  if (config_.pidfile.empty()) return;
  // Written beside and renamed: who waits for the file finds it whole, and no link is followed.
  const auto temporary = fmt::format("{}.{}", config_.pidfile, ::getpid());
  io::unique_fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  const auto text = fmt::format("{}\n", ::getpid());
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(temporary.c_str(), config_.pidfile.c_str()) != 0) {
    const auto error = from_errno();
    ::unlink(temporary.c_str());
    throw listen_error(fmt::format("{}: cannot write the pidfile: {}", config_.pidfile, error.message()));
  }
}

void server::start_command() {
  if (config_.run.empty()) return;
  const auto& socket = sockets_.front();
  const auto& name = infos_.front().name;
  const auto uri = socket.uri(name);
  command_.start(config_.run, {{"uri", uri},
                               {"nbd", uri},
                               {"unixsocket", socket.unix_path},
                               {"port", socket.port},
                               {"exportname", name},
                               {"tls", ""}});
  scope_.spawn(attend_command());
}

awaitable<int> server::run() {
  scope_.spawn(handle_signals());
  for (auto& e : exports_) scope_.spawn(run_export(*e));
  start_listeners();
  if (config_.single) {
    serve(io::stdio_transport(executor_, io::unique_fd(::fcntl(0, F_DUPFD_CLOEXEC, 3)),
                              io::unique_fd(::fcntl(1, F_DUPFD_CLOEXEC, 3))));
  }
  if (config_.progress_fd) scope_.spawn(report_progress());
  try {
    write_pidfile();
    start_command();
  } catch (const std::exception& e) {
    log_.error("{}", e.what());
    command_status_ = 1;
    stop_exports(e.what());
  }
  while (!over()) {
    co_await changed_.wait(stuck_deadline_);
    if (config_.single && sessions_.empty()) {
      for (auto& e : exports_) e->no_more_clients();
    }
  }
  close_listeners();
  co_await close_sessions();
  co_await end_command();
  finished_ = true;
  signals_.cancel();
  changed_.notify_all();
  if (!stuck()) co_await scope_.join();
  co_return exit_status();
}

bool server::over() const {
  if (io::clock::now() >= stuck_deadline_) return true;
  const auto ended = std::ranges::count_if(exports_, [](auto& e) { return e->ended(); });
  return static_cast<std::size_t>(ended) + stuck_sinks_ >= exports_.size() &&
         (config_.run.empty() || command_status_);
}

awaitable<void> server::run_export(nbd_export& e) {
  co_await e.run();
  changed_.notify_all();
}

void server::stop_exports(std::string_view reason) {
  for (auto& e : exports_) e->stop(reason);
}

void server::close_negotiating() {
  for (auto& s : sessions_) {
    if (s.negotiating()) s.close();
  }
}

awaitable<void> server::close_sessions() {
  for (auto& s : sessions_) {
    if (!s.joined) s.close();
  }
  const auto until = io::clock::now() + farewell;
  while (!sessions_.empty() && !stuck() && io::clock::now() < until) co_await changed_.wait(until);
  for (auto& s : sessions_) s.close();
  while (!sessions_.empty() && !stuck()) co_await changed_.wait();
}

awaitable<void> server::handle_signals() {
  for (;;) {
    const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error || finished_) co_return;
    log_.debug("signal {}", number);
    if (signal_ != 0) {
      for (auto& e : exports_) e->cancel_commit();
      continue;
    }
    signal_ = number;
    const bool commanded = command_.running();
    signal_interrupted_ = commanded;
    close_listeners();
    for (auto& e : exports_) {
      e->stop(fmt::format("ended by signal {} ({})", number, ::sigdescr_np(number)));
      signal_interrupted_ |= e->stream_open() && !e->committing();
    }
    if (commanded) command_.signal(number);
    command_.wake();
    changed_.notify_all();
  }
}

// The command of --run: its exit status vouches for its clients, or not.
awaitable<void> server::attend_command() {
  auto kill_at = io::clock::time_point::max();
  for (;;) {
    const bool exited = co_await command_.wait(kill_at);
    if (exited) break;
    if (signal_ == 0) continue;
    if (kill_at == io::clock::time_point::max()) {
      kill_at = io::clock::now() + config_.grace;
    } else if (io::clock::now() >= kill_at) {
      command_.signal(SIGKILL);
      kill_at = io::clock::time_point::max() - std::chrono::seconds(1);
    }
  }
  close_listeners();
  close_negotiating();
  if (command_.status() == 0) {
    co_await command_succeeded();
  } else {
    stop_exports(fmt::format("the command of --run failed with status {}", command_.status()));
  }
  command_status_ = command_.status();
  changed_.notify_all();
}

awaitable<void> server::command_succeeded() {
  const auto until = io::clock::now() + config_.run_grace;
  while (!sessions_.empty() && signal_ == 0 && io::clock::now() < until) {
    co_await changed_.wait(until);
  }
  if (!sessions_.empty()) {
    stop_exports("the command of --run has exited, but a client of it is still connected");
  } else {
    for (auto& e : exports_) e->vouch();
  }
}

awaitable<void> server::end_command() {
  if (signal_ == 0) co_return;
  // The shell may be gone and its children not.
  const auto kill_at = io::clock::now() + config_.grace;
  while (command_.group_exists() && io::clock::now() < kill_at) {
    co_await changed_.wait(io::clock::now() + group_interval);
  }
  if (command_.group_exists()) command_.signal(SIGKILL);
}

awaitable<void> server::report_progress() {
  while (!finished_) {
    co_await changed_.wait(io::clock::now() + std::chrono::seconds(1));
    std::string line;
    for (const auto& e : exports_) {
      line += fmt::format("{}{} bytes", line.empty() ? "" : ", ", e->position());
    }
    line += '\n';
    [[maybe_unused]] const auto written = ::write(*config_.progress_fd, line.data(), line.size());
  }
}

void server::give_up_on_stuck_sink() {
  ++stuck_sinks_;
  stuck_deadline_ = io::clock::now() + config_.grace;
  stop_exports("another sink does not respond");
  changed_.notify_all();
}

int server::exit_status() {
  std::uint64_t committed = 0;
  std::uint64_t aborted = stuck_sinks_;
  for (const auto& e : exports_) {
    committed += e->committed();
    aborted += e->aborted();
  }
  if (signal_interrupted_) return 128 + signal_;
  if (command_status_.value_or(0) != 0) return *command_status_;
  if (aborted > 0) return 1;
  const bool must_write = !config_.run.empty() || config_.single;
  if (must_write && committed == 0) {
    log_.error("nothing was written");
    return 1;
  }
  return 0;
}

}  // namespace nbdstream
