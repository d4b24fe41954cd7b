// SPDX-License-Identifier: BSD-3-Clause
//
// Where everything is constructed and wired; the exports in make_exports.cpp.
#include "config/cli.hpp"
#include "config/text.hpp"
#include "config/validate.hpp"
#include "conformance/check_sink.hpp"
#include "control/control_server.hpp"
#include "control/whole_server.hpp"
#include "ctl.hpp"
#include "make_exports.hpp"
#include "process.hpp"
#include "receipt/path.hpp"
#include "serve.hpp"
#include "server/descriptor_limit.hpp"
#include "server/server.hpp"
#include "show.hpp"
#include "sink/module_sink.hpp"
#include "sink/registry.hpp"
#include "systemd/notifier.hpp"
#include "verify.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>

namespace nbdstream {
namespace {

/// Moves the descriptor of --progress to a place of our own, before anything else can get its
/// number; and the command of --run must not inherit it.
io::unique_fd claim_progress_fd(config::server_config& config) {
  if (!config.progress_fd) return {};
  const int given = *config.progress_fd;
  io::unique_fd ours(::fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!ours) {
    throw config::error(fmt::format("--progress={}: this descriptor is not open", given));
  }
  if (given > STDERR_FILENO) ::fcntl(given, F_SETFD, FD_CLOEXEC);
  config.progress_fd = ours.get();
  return ours;
}

/// Who has told something, or waits for a stream, gets an answer after the end of it, too.
awaitable<int> run_all(server& it, control::control_server& control) {
  control.start();
  const int status = co_await it.run();
  co_await control.finish(!it.is_unfinished());
  co_return status;
}

int serve(const config::configuration& config, std::shared_ptr<const io::tls_context> tls,
          std::vector<chosen_sink> chosen, log::logger& log) {
  prepare_signals();
  raise_descriptor_limit();
  if (config.server.exit_with_parent) exit_with_parent();
  try_spill_directories(config);
  receipt::try_receipts(config, log);
  auto sockets = listen_as_configured(config.server, log);
  auto control_sockets = control::bind_as_configured(config.server, log);
  const auto manager = find_manager(log);
  asio::io_context loop(1);
  server it(loop.get_executor(), config, std::move(tls), log);
  if (manager) it.report_to(manager);
  it.serve_exports(make_exports(loop.get_executor(), config, std::move(chosen), it.changed(), log));
  announce(sockets, config.server, log);
  it.serve_on(std::move(sockets));
  control::whole_server controlled(it);
  control::control_server control(loop.get_executor(), config, controlled,
                                  std::move(control_sockets), log);
  const auto status = run_to_its_end(loop, run_all(it, control), log);
  // Coroutines that are still there, and calls that never return, use what destructors would take
  // from under them.
  if (!status || it.is_unfinished() || io::worker::left_behind())
    ::_exit(status.value_or(exit_failure));
  return *status;
}

/// Whether it names a subcommand, or what somebody takes for one.
bool is_subcommand(std::string_view word) {
  return !word.empty() && word.front() != '-' && word.find('=') == word.npos;
}

/// Becomes the program of the other subcommands. Throws where it cannot.
[[noreturn]] void become_restore(char** argv) {
  const auto prefix = sink::program().parent_path().parent_path();
  const auto program = prefix / NBDSTREAM_LIBEXEC / "nbdstream-restore";
  ::execv(program.c_str(), argv);
  throw config::error(fmt::format("{}: {}; is all of nbdstream installed?", program.string(),
                                  std::strerror(errno)));
}

int run(int argc, char** argv, log::logger& log) {
  const std::span words(argv, static_cast<std::size_t>(argc));
  if (argc > 1 && std::string_view(argv[1]) == "ctl") return run_ctl(words.subspan(2), log);
  if (argc > 1 && std::string_view(argv[1]) == "verify") return verify(words.subspan(1), log);
  if (argc > 1 && std::string_view(argv[1]) == "serve") return run_serve(words.subspan(1), log);
  if (argc > 1 && is_subcommand(argv[1])) become_restore(argv);
  auto command = config::parse_command_line(argc, argv);
  using action = config::command::action;
  if (command.what == action::help) return fmt::print("{}", config::help_text()), 0;
  const sink::registry registry;
  if (command.what == action::version) return print_version(registry), 0;
  if (command.what == action::list_sinks) return list_sinks(registry, log) ? 0 : exit_failure;
  if (command.what == action::dump_sink) return dump_sink(registry, command.sink), 0;

  auto& config = command.config;
  direct(log, config.server);
  for (auto& w : config::complete_and_validate(config, socket_activated())) {
    command.warnings.push_back(std::move(w));
  }
  if (command.what == action::check_sink) {
    const auto& sink = config.exports.front().sink;
    return conformance::check_sink(registry, sink, config.server.grace) ? 0 : exit_failure;
  }
  if (command.what == action::dump_config) return dump_config(registry, config), 0;
  pidfile::check(config.server.pidfile);
  auto chosen = choose_sinks(registry, config);
  auto tls = io::load_tls(config.server);
  const auto progress = claim_progress_fd(config.server);
  for (const auto& warning : command.warnings) log.warning("{}", warning);
  return serve(config, std::move(tls), std::move(chosen), log);
}

}  // namespace
}  // namespace nbdstream

int main(int argc, char** argv) {
  using namespace nbdstream;
  occupy_standard_descriptors();
  log::logger log;
  try {
    return run(argc, argv, log);
  } catch (const config::error& e) {
    log.error("{}", e.what());
    return exit_usage;
  } catch (const listen_error& e) {
    log.error("{}", e.what());
    return exit_usage;
  } catch (const sink::load_error& e) {
    log.error("{}", e.what());
    return exit_usage;
  } catch (const sink::create_error& e) {
    log.error("{}", e.what());
    return exit_usage;
  } catch (const std::exception& e) {
    log.error("{}", e.what());
    return exit_failure;
  }
}
