// SPDX-License-Identifier: BSD-3-Clause
//
// The only place where everything is constructed and wired.
#include "config/cli.hpp"
#include "config/dump.hpp"
#include "config/text.hpp"
#include "config/validate.hpp"
#include "conformance/check_sink.hpp"
#include "server/descriptor_limit.hpp"
#include "server/server.hpp"
#include "sink/module_sink.hpp"
#include "sink/registry.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

namespace nbdstream {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

/// A sink before it is created: its module, and its settings as the module will see them.
struct chosen_sink {
  sink::module module;
  sink::settings settings;
};

const char* type_name(std::uint32_t type) {
  switch (type) {
    case NBDSTREAM_OPTION_INTEGER: return "integer";
    case NBDSTREAM_OPTION_BOOLEAN: return "boolean";
    case NBDSTREAM_OPTION_SIZE: return "size";
    case NBDSTREAM_OPTION_DURATION: return "duration";
    case NBDSTREAM_OPTION_MODE: return "mode";
    default: return "string";
  }
}

/// Returns whether all of them can be used; a line in the log says why one cannot.
bool list_sinks(const sink::registry& sinks, log::logger& log) {
  bool all = true;
  for (const auto& name : sinks.names()) {
    try {
      const auto module = sinks.load(name);
      fmt::print("{}\t{}\t{}\n", name, module.table.description, module.path);
    } catch (const sink::load_error& e) {
      all = false;
      log.error("{}", e.what());
    }
  }
  return all;
}

/// Lines of key=value, as nbdkit --dump-plugin prints them.
void dump_sink(const sink::registry& sinks, const std::string& name) {
  const auto module = sinks.load(name);
  const auto& table = module.table;
  const auto yes_no = [](bool b) { return b ? "yes" : "no"; };
  fmt::print("path={}\nname={}\ndescription={}\nversion={}\n", module.path, table.name,
             table.description, table.version);
  fmt::print("abi={}.{}\n", NBDSTREAM_SINK_ABI_MAJOR, table.abi_minor);
  fmt::print("has_write={}\nhas_zero={}\nhas_flush={}\nhas_native_fd={}\nhas_interrupt={}\n",
             yes_no(table.write), yes_no(table.zero), yes_no(table.flush), yes_no(table.native_fd),
             yes_no(table.interrupt));
  fmt::print("blocking_open={}\nblocking_write={}\nblocking_finish={}\n",
             yes_no(table.blocking & NBDSTREAM_BLOCKING_OPEN),
             yes_no(table.blocking & NBDSTREAM_BLOCKING_WRITE),
             yes_no(table.blocking & NBDSTREAM_BLOCKING_FINISH));
  for (const auto& o : module.options) {
    fmt::print(
        "option={} type={} required={} positional={} secret={} exclusive_path={} default={} "
        "help={}\n",
        o.name, type_name(o.type), yes_no(o.flags & NBDSTREAM_OPTION_REQUIRED),
        yes_no(o.flags & NBDSTREAM_OPTION_POSITIONAL), yes_no(o.flags & NBDSTREAM_OPTION_SECRET),
        yes_no(o.flags & NBDSTREAM_OPTION_EXCLUSIVE_PATH), o.default_value ? o.default_value : "",
        o.help);
  }
}

/// `path` in one spelling; empty where it leads to what serves several streams at once: a socket
/// that is listened on, or a character device.
std::string taken_alone(const char* path) {
  std::error_code ignored;
  using std::filesystem::file_type;
  const auto type = std::filesystem::status(path, ignored).type();
  if (type == file_type::socket || type == file_type::character) return {};
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored);
}

/// Two streams at once into one pipe would be one mixture of both.
void refuse_shared_paths(const std::vector<chosen_sink>& chosen,
                         const config::configuration& config) {
  std::map<std::string, std::string> users;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    for (const auto* const option : sink::exclusive_paths(chosen[i].module.options)) {
      const auto* const value = chosen[i].settings.find(option->name);
      const auto path = value ? taken_alone(value->text) : std::string();
      if (path.empty()) continue;
      const auto& name = config.exports[i].name;
      const auto [user, first] = users.emplace(path, name);
      if (first) continue;
      const bool secret = option->flags & NBDSTREAM_OPTION_SECRET;
      throw config::error(
          fmt::format("exports {} and {} both write to {}; give each a path of its own",
                      config::quote(user->second), config::quote(name),
                      secret ? fmt::format("the same {}", option->name) : path));
    }
  }
}

std::vector<chosen_sink> choose_sinks(const sink::registry& registry,
                                      const config::configuration& config) {
  std::vector<chosen_sink> chosen;
  int on_stdout = 0;
  for (const auto& e : config.exports) {
    auto module = registry.load(e.sink.module);
    sink::settings settings(module.table.name, module.options, e.sink);
    if (module.table.flags & NBDSTREAM_SINK_USES_STDOUT) {
      ++on_stdout;
      const auto refuse = [&](const char* why) {
        throw config::error(fmt::format("the {} sink {}", module.table.name, why));
      };
      if (config.server.single) refuse("needs the standard output that --single talks NBD on");
      if (config.server.progress_fd == STDOUT_FILENO) {
        refuse("carries the stream where --progress=1 would write; give it another descriptor");
      }
      if (e.streams != 1) refuse("carries one stream only; leave out --streams");
      if (on_stdout > 1) refuse("can serve one export only; give the others another sink");
    }
    chosen.push_back({std::move(module), std::move(settings)});
  }
  refuse_shared_paths(chosen, config);
  return chosen;
}

void dump_config(const sink::registry& registry, const config::configuration& config) {
  // What the sink does not know may be the misspelt name of a secret.
  for (const auto& e : config.exports) {
    const auto module = registry.load(e.sink.module);
    (void)sink::settings(module.table.name, module.options, e.sink);
  }
  const auto is_secret = [&](const config::export_config& e, std::string_view key) {
    return sink::is_secret(registry.load(e.sink.module).options, key);
  };
  fmt::print("{}", config::to_toml(config, is_secret));
}

/// A descriptor that is closed must not be given out as 0, 1 or 2 to something else. Standard
/// output becomes one that cannot be written, so that nothing vanishes unseen.
void occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
  }
}

void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
}

/// Whoever started us may have blocked some, and SIGTERM is to end us.
void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void exit_with_parent() {
  const auto parent = ::getppid();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) std::raise(SIGTERM);  // it went away in between
}

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

stream::order to_order(const config::export_config& e) {
  if (e.format == config::stream_format::rbd_diff) return stream::order::any;
  switch (config::effective_order(e)) {
    case config::order_mode::window: return stream::order::window;
    case config::order_mode::spill: return stream::order::spill;
    case config::order_mode::spool: return stream::order::spool;
    default: return stream::order::strict;
  }
}

/// The files of spill and spool.
spill_store::settings spill_in(const asio::any_io_executor& executor, const std::string& directory,
                               io::clock::duration timeout) {
  return {directory, [=] { return io::make_spill_file(executor, directory, timeout); }};
}

/// Where a spill file was asked for, it must be possible: the stream should not fail hours later.
void try_spill_directories(const config::configuration& config) {
  for (const auto& e : config.exports) {
    const bool asked = e.order == config::order_mode::spill ||
                       e.order == config::order_mode::spool || !e.spill_directory.empty();
    if (!asked) continue;
    const auto directory = config::effective_spill_directory(e);
    const auto failed = io::try_spill_directory(directory);
    if (!failed) continue;
    throw config::error(fmt::format(
        "export {}: a spill file cannot be in {}: {}; give a directory on a local file system with "
        "--spill-directory",
        config::quote(e.name), config::quote(directory), failed.message()));
  }
}

/// Builds the exports, each with its sink.
std::vector<std::unique_ptr<nbd_export>> make_exports(const asio::any_io_executor& executor,
                                                      const config::configuration& config,
                                                      std::vector<chosen_sink> chosen,
                                                      io::condition& changed, log::logger& log) {
  std::vector<std::unique_ptr<nbd_export>> exports;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& e = config.exports[i];
    const bool copy_only = config.server.path == config::data_path::copy;
    const auto label = e.name.empty() ? std::string() : fmt::format("export \"{}\": ", e.name);
    auto made = std::make_unique<sink::module_sink>(executor, std::move(chosen[i].module),
                                                    std::move(chosen[i].settings),
                                                    config.server.grace, label, log, copy_only);
    nbd_export::settings s;
    s.config = e;
    s.order = to_order(e);
    s.spill =
        spill_in(executor, config::effective_spill_directory(e), config.server.payload_timeout);
    s.refuse_gaps = config::effective_gaps(e, config.server) == config::gaps_policy::refuse;
    s.one_connection = config.server.single;
    s.decided_by_run = !config.server.run.empty();
    s.run_grace = config.server.run_grace;
    s.grace = config.server.grace;
    exports.push_back(
        std::make_unique<nbd_export>(executor, std::move(s), std::move(made), log, changed));
  }
  return exports;
}

int serve(const config::configuration& config, const io::tls_context* tls,
          std::vector<chosen_sink> chosen, log::logger& log) {
  // A reader that goes away, a limit on the size of files: errors of the write that meets them.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // Whoever started us may have ignored it: then no child's exit status could be had.
  std::signal(SIGCHLD, SIG_DFL);
  unblock_signals();
  raise_descriptor_limit();
  if (config.server.exit_with_parent) exit_with_parent();
  try_spill_directories(config);
  auto sockets = listen_as_configured(config.server, log);
  asio::io_context loop(1);
  server it(loop.get_executor(), config, tls, log);
  it.serve_exports(make_exports(loop.get_executor(), config, std::move(chosen), it.changed(), log));
  announce(sockets, config.server, log);
  it.serve_on(std::move(sockets));
  std::optional<int> status;
  asio::co_spawn(loop, it.run(), [&](std::exception_ptr failed, int result) {
    // What has ended as it should is not to be ended by a signal while it is taken apart.
    block_signals();
    loop.stop();
    if (!failed) status = result;
  });
  try {
    loop.run();
  } catch (const std::exception& e) {
    log.error("internal error: {}", e.what());
  }
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

/// Becomes the program of the subcommands. Throws where it cannot.
[[noreturn]] void become_restore(char** argv) {
  const auto prefix = sink::program().parent_path().parent_path();
  const auto program = prefix / NBDSTREAM_LIBEXEC / "nbdstream-restore";
  ::execv(program.c_str(), argv);
  throw config::error(fmt::format("{}: {}; is all of nbdstream installed?", program.string(),
                                  std::strerror(errno)));
}

int run(int argc, char** argv, log::logger& log) {
  if (argc > 1 && is_subcommand(argv[1])) become_restore(argv);
  auto command = config::parse_command_line(argc, argv);
  using action = config::command::action;
  if (command.what == action::help) return fmt::print("{}", config::help_text()), 0;
  if (command.what == action::version) return fmt::print("{}\n", config::version_text()), 0;
  const sink::registry registry;
  if (command.what == action::list_sinks) return list_sinks(registry, log) ? 0 : exit_failure;
  if (command.what == action::dump_sink) return dump_sink(registry, command.sink), 0;

  auto& config = command.config;
  log.configure(config.server.log_level, config.server.log_format);
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
  const auto tls = io::load_tls(config.server);
  const auto progress = claim_progress_fd(config.server);
  for (const auto& warning : command.warnings) log.warning("{}", warning);
  return serve(config, tls.get(), std::move(chosen), log);
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
