// SPDX-License-Identifier: BSD-3-Clause
//
// Where a source is opened and served.
#include "serve.hpp"

#include "config/cli.hpp"
#include "config/serve_cli.hpp"
#include "process.hpp"
#include "restore/failure.hpp"
#include "serve/read_server.hpp"
#include "server/descriptor_limit.hpp"
#include "source/open.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>

#include <optional>
#include <stdexcept>
#include <utility>

namespace nbdstream {
namespace {

int serve_source(config::serve_command command, std::shared_ptr<source::source> from,
                 log::logger& log) {
  const auto& config = command.server;
  raise_descriptor_limit();
  if (config.exit_with_parent) exit_with_parent();
  auto tls = io::load_tls(config);
  auto sockets = listen_as_configured(config, log);
  const auto manager = find_manager(log);
  asio::io_context loop(1);
  serve::read_export exported(loop.get_executor(),
                              {.name = command.name,
                               .description = command.description,
                               .from = std::move(from),
                               .several_clients = !config.single},
                              log);
  serve::read_server it(loop.get_executor(), config, std::move(tls), exported, log);
  announce(sockets, config, log);
  it.serve_on(std::move(sockets));
  const auto status = run_to_its_end(loop, it.run(manager), log);
  // A read that never returns uses what destructors would take away.
  if (!status || exported.reads()) ::_exit(status.value_or(exit_failure));
  return *status;
}

}  // namespace

int run_serve(std::span<char*> words, log::logger& log) {
  const int count = static_cast<int>(words.size());
  auto command = config::parse_serve_line(count, words.data(), socket_activated());
  using action = config::serve_command::action;
  if (command.what == action::help) return fmt::print("{}", config::serve_help_text()), 0;
  if (command.what == action::version) return fmt::print("{}\n", config::version_text()), 0;
  prepare_signals();  // before anything is sent over a network
  direct(log, command.server);
  pidfile::check(command.server.pidfile);
  std::shared_ptr<source::source> from;
  try {
    from = source::open({command.sources, command.as, command.options}, log);
  } catch (const restore::failure& e) {
    throw config::error(e.what());
  }
  return serve_source(std::move(command), std::move(from), log);
}

}  // namespace nbdstream
