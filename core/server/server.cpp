// SPDX-License-Identifier: BSD-3-Clause
#include "server/server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>

namespace nbdstream {
namespace {

constexpr std::size_t max_negotiated = 100;
constexpr std::size_t max_negotiating = 100;

/// How long clients whose stream has failed may take to hear it and leave, once all is over.
constexpr auto farewell = std::chrono::seconds(1);

protocol::tls_policy policy_of(config::tls_mode mode) {
  switch (mode) {
    case config::tls_mode::on: return protocol::tls_policy::on;
    case config::tls_mode::require: return protocol::tls_policy::require;
    default: return protocol::tls_policy::off;
  }
}

/// $tls, as nbdkit-captive(1) has it.
std::string_view tls_variable(config::tls_mode mode) {
  switch (mode) {
    case config::tls_mode::on: return "1";
    case config::tls_mode::require: return "2";
    default: return "";
  }
}

}  // namespace

server::server(asio::any_io_executor executor, const config::configuration& config,
               const io::tls_context* tls, std::vector<std::unique_ptr<nbd_export>> exports,
               log::logger& log)
    : executor_(std::move(executor)),
      config_(config.server),
      tls_(tls),
      exports_(std::move(exports)),
      log_(log),
      command_(executor_),
      signals_(executor_, SIGTERM),
      changed_(executor_),
      scope_(executor_, [this](std::exception_ptr failed) {
        try {
          std::rethrow_exception(failed);
        } catch (const std::exception& e) {
          log_.error("internal error: {}", e.what());
        }
      }) {
  // What the parent chose to ignore (nohup) stays ignored.
  for (const int number : {SIGINT, SIGHUP, SIGQUIT}) {
    struct sigaction inherited {};
    ::sigaction(number, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) signals_.add(number);
  }
  for (const auto& e : exports_) infos_.push_back(e->info());
}

server::~server() = default;

void server::listen() {
  if (config_.single) return;
  sockets_ = activated_sockets();
  for (const auto& address : config_.listen) {
    for (auto& socket : listen_on(address, config_.unix_mode))
      sockets_.push_back(std::move(socket));
  }
}

std::optional<protocol::negotiator::refusal> server::gate() const {
  using protocol::option_reply;
  if (stopping_) return {{option_reply::err_shutdown, "the server is shutting down"}};
  if (negotiated() >= max_negotiated) return {{option_reply::err_policy, "too many connections"}};
  return std::nullopt;
}

std::size_t server::negotiated() const {
  return static_cast<std::size_t>(std::ranges::count_if(sessions_, &session::transmitting));
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
  tune_connection(socket.get());
  try {
    make_room();
    serve(io::socket_transport(executor_, std::move(socket)));
  } catch (const std::exception& e) {
    log_.error("a connection cannot be served: {}", e.what());
  }
}

void server::serve(std::unique_ptr<io::transport> transport) {
  if (tls_) transport = io::tls_transport(executor_, std::move(transport), *tls_);
  const session::settings s{++last_session_, config_.handshake_timeout, config_.payload_timeout,
                            policy_of(config::effective_tls(config_))};
  session_host& self = *this;
  const auto place =
      sessions_.emplace(sessions_.end(), executor_, s, std::move(transport), self, log_);
  scope_.spawn(serve_connection(place));
}

void server::serve_standard_streams() {
  io::unique_fd in(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  io::unique_fd out(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  // The client sees the end when the session closes, and nothing else reads or writes there.
  const io::unique_fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  tune_connection(in.get());
  serve(io::stdio_transport(executor_, std::move(in), std::move(out)));
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
    throw listen_error(
        fmt::format("{}: cannot write the pidfile: {}", config_.pidfile, error.message()));
  }
}

/// Where TLS is required, with what a client on this machine needs for it.
std::string server::command_uri(const listening_socket& socket) const {
  listening_socket::security s;
  s.tls = config::effective_tls(config_) == config::tls_mode::require;
  if (s.tls) {
    s.user = tls_->first_user();
    // The command may go to another directory.
    for (const auto& [key, path] : {std::pair("tls-certificates", tls_->certificates()),
                                    std::pair("tls-psk-file", tls_->psk_file())}) {
      if (!path.empty()) s.parameters.emplace_back(key, std::filesystem::absolute(path).string());
    }
  }
  return socket.uri(infos_.front().name, s);
}

void server::start_command() {
  if (config_.run.empty()) return;
  const auto found = std::ranges::find_if_not(sockets_, &listening_socket::abstract);
  if (found == sockets_.end()) {
    throw listen_error("--run: no URI names an abstract socket; listen elsewhere too");
  }
  const auto& socket = *found;
  const auto& name = infos_.front().name;
  const auto uri = command_uri(socket);
  command_.start(config_.run, {{"uri", uri},
                               {"nbd", uri},
                               {"unixsocket", socket.unix_path},
                               {"port", socket.port},
                               {"exportname", name},
                               {"tls", std::string(tls_variable(config::effective_tls(config_)))}});
  scope_.spawn(attend_command());
}

awaitable<int> server::run() {
  scope_.spawn(handle_signals());
  for (auto& e : exports_) scope_.spawn(run_export(*e));
  if (config_.progress_fd) scope_.spawn(report_progress());
  try {
    start_listeners();
    if (config_.single) serve_standard_streams();
    write_pidfile();
    start_command();
  } catch (const std::exception& e) {
    log_.error("{}", e.what());
    command_status_ = 1;
    stop_exports(e.what());
  }
  while (!over()) {
    co_await changed_.wait();
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
  const auto ended = std::ranges::count_if(exports_, [](auto& e) { return e->ended(); });
  return static_cast<std::size_t>(ended) + stuck_sinks_ >= exports_.size() &&
         (config_.run.empty() || command_status_);
}

awaitable<void> server::run_export(nbd_export& e) {
  try {
    co_await e.run();
  } catch (const std::exception& error) {
    log_.error("internal error: {}", error.what());
    e.broke();
  }
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
    if (!s.joined && !s.leaving()) s.close();
  }
  const auto until = io::clock::now() + farewell;
  while (!sessions_.empty() && !stuck() && io::clock::now() < until) co_await changed_.wait(until);
  for (auto& s : sessions_) s.close();
  while (!sessions_.empty() && !stuck()) co_await changed_.wait();
}

awaitable<void> server::report_progress() {
  while (!finished_) {
    co_await changed_.wait(io::clock::now() + std::chrono::seconds(1));
    std::string line;
    for (const auto& e : exports_) {
      line += fmt::format("{}{} bytes", line.empty() ? "" : ", ", e->position());
    }
    line += '\n';
    // A line fits where poll() says so: a pipe that nobody reads must not stop the loop.
    pollfd ready{*config_.progress_fd, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1) continue;
    [[maybe_unused]] const auto written = ::write(*config_.progress_fd, line.data(), line.size());
  }
}

}  // namespace nbdstream
