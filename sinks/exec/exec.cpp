// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `exec`: runs a command for each stream, which reads it from its standard input. The
// command's exit status says whether it has it.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <nbdstream/sink.hpp>

#include "../medium/write_end.hpp"
#include "command.hpp"
#include "guardian.hpp"

namespace nbdstream::exec {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Who has left the pipe is as good as gone: how long to wait for its exit status.
constexpr auto moment = 200ms;
/// What SIGKILL has been sent to is gone soon, or not at all.
constexpr auto after_kill = 500ms;
/// Looking whether a command has exited, where nothing announces that.
constexpr clock::duration longest_pause = 20ms;
/// Looking who is left costs a walk through /proc.
constexpr auto longest_interval = 250ms;

/// A command as a message shows it: on one line, and not too much of it.
std::string shown(std::string_view line) {
  constexpr std::size_t most = 60;
  std::string text(line.substr(0, most));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }, ' ');
  // Not in the middle of a character of UTF-8.
  if (line.size() > most) {
    while (!text.empty() && (line[text.size()] & 0xC0) == 0x80) text.pop_back();
    text += "...";
  }
  return '"' + text + '"';
}

class exec_sink {
 public:
  static constexpr sink_description about{
      .name = "exec", .description = "Run a command that reads the stream from its standard input"};
  static constexpr std::array<nbdstream_option, 2> options{
      {{"command", NBDSTREAM_OPTION_STRING, NBDSTREAM_OPTION_REQUIRED | NBDSTREAM_OPTION_POSITIONAL,
        nullptr, "the command that /bin/sh runs for each stream"},
       {"grace", NBDSTREAM_OPTION_DURATION, 0, "4s",
        "how long the command gets to stop after SIGTERM, at an abort, before it gets SIGKILL"}}};

  explicit exec_sink(sink_host host)
      : host_(host),
        line_(host.text("command").value_or("")),
        name_(shown(line_)),
        grace_(host.number("grace").value_or(0)) {
    if (line_.find_first_not_of(" \t\n") == line_.npos)
      throw sink_error(EINVAL, "the command is empty: name a program that reads standard input");
  }
  exec_sink(const exec_sink&) = delete;
  exec_sink& operator=(const exec_sink&) = delete;
  ~exec_sink() { abort_now(); }

  int open(const nbdstream_stream& stream) {
    // The host may have lost its patience with the abort of the last stream.
    kill_now();
    if (const int status = abort(); status != 0) return status;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0)
      throw std::system_error(errno, std::system_category(), "cannot make a pipe");
    medium::descriptor input(ends[0]);
    end_ = medium::write_end(medium::descriptor(ends[1]));
    if (::fcntl(end_.get(), F_SETFL, O_NONBLOCK) < 0) return -errno;
    medium::raise_pipe_size(end_.get(), host_);
    try {
      command_.prepare(line_, environment_of(stream), input.get());
      input.reset();  // whoever waits for the readers to leave does not mean us
      // From here on somebody keeps the pipe open, whenever we are killed: now the command may run.
      guardian_.start(end_.get(), command_.group(),
                      std::chrono::ceil<std::chrono::milliseconds>(grace_));
      command_.run();
    } catch (...) {
      abort_now();
      throw;
    }
    return 0;
  }

  int native_fd(std::uint32_t&) { return end_.get(); }

  int wait_for(nbdstream_wait& wait) {
    wait_.describe(wait);
    return 0;
  }

  int commit(std::uint64_t) {
    if (command_.has_exited() && !command_.succeeded()) fail();
    if (end_) {
      // While bytes are in the pipe the command must not see their end: it may still be aborted,
      // and once the pipe is closed nobody knows whether all were read.
      if (const int status = hand_over(); status != 0) return status;
      guardian_.release();
      end_.abandon();
    }
    if (!command_.has_exited()) return when_exited();
    if (!command_.succeeded()) fail();
    host_.result("exit_status", "0");
    forget_stream();
    return 0;
  }

  /// In this order: while the pipe is open, nobody takes the end of the stream for its completion.
  int abort() noexcept {
    if (!command_.started()) {
      forget_stream();
      return 0;
    }
    if (!deadline_ && !terminate()) return -EAGAIN;
    if (clock::now() >= *deadline_ && !killed_) kill();
    const bool out_of_time = clock::now() >= *deadline_;
    if (!out_of_time && !is_gone()) return -EAGAIN;
    if (out_of_time && !is_gone()) warn_of_escape();
    forget_stream();
    return 0;
  }

 private:
  [[nodiscard]] static command::variables environment_of(const nbdstream_stream& stream) {
    std::optional<std::string> size;
    if ((stream.flags & NBDSTREAM_STREAM_SIZE_KNOWN) != 0) size = std::to_string(stream.size);
    return {{"NBDSTREAM_EXPORT", stream.export_name},
            {"NBDSTREAM_STREAM", std::to_string(stream.id)},
            {"NBDSTREAM_SIZE", size}};
  }

  int hand_over() {
    try {
      return end_.finish(wait_);
    } catch (const sink_error& left) {
      if (exit_is_near()) return -EAGAIN;
      if (command_.has_exited() && !command_.succeeded()) fail();
      const std::string how = command_.has_exited() ? command_.exit_text() : "closed its input";
      exit_told_ = true;
      throw sink_error(left.error_number(), name_ + " " + how + ", but " + left.what());
    }
  }

  /// Returns -EAGAIN, to be repeated once the command has exited, or after `longest`.
  int when_exited(clock::duration longest = -1ns) noexcept {
    if (command_.handle() >= 0) return wait_.when(command_.handle(), POLLIN, longest);
    return wait_.later(longest < 0ns ? longest_pause : std::min(longest, longest_pause));
  }

  /// After the readers have left: whether the exit status is about to come; asks to be called again
  /// then.
  bool exit_is_near() noexcept {
    if (command_.has_exited()) return false;
    if (!exit_until_) exit_until_ = clock::now() + moment;
    const auto left = *exit_until_ - clock::now();
    if (left <= 0ns) return false;
    (void)when_exited(left);
    return true;
  }

  [[noreturn]] void fail() {
    exit_told_ = true;
    throw sink_error(EIO, name_ + " " + command_.exit_text());
  }

  /// Asks the command to end; false: it is about to end by itself, and abort is to be repeated. A
  /// stopped one hears of it when it is continued.
  bool terminate() noexcept {
    if (end_ && medium::without_reader(end_.get()) && exit_is_near()) return false;
    if (end_ && command_.has_exited() && !exit_told_)
      tell(NBDSTREAM_LOG_ERROR, command_.exit_text() + " before the end of the stream");
    command_.signal(SIGTERM);
    command_.signal(SIGCONT);
    guardian_.tell_of_abort();
    deadline_ = clock::now() + grace_;
    wait_.start_over();
    return true;
  }

  void kill() noexcept {
    command_.signal(SIGKILL);
    killed_ = true;
    deadline_ = clock::now() + after_kill;
    wait_.start_over();
  }

  /// Without SIGTERM, and without leaving the wait to the host.
  void abort_now() noexcept {
    kill_now();
    nbdstream_wait wait{};
    while (abort() == -EAGAIN) {
      wait_.describe(wait);
      const auto pause = std::clamp<std::int64_t>(wait.timeout_ns / 1'000'000, 1, 20);
      (void)medium::events_now(wait.fd, static_cast<short>(wait.events), static_cast<int>(pause));
    }
  }

  /// No abort that is under way takes any longer than it must.
  void kill_now() noexcept {
    if (command_.started() && !killed_) kill();
  }

  /// Whether nobody is left who could take the end of the stream for its completion.
  bool is_gone() noexcept {
    const auto left = std::max<clock::duration>(*deadline_ - clock::now(), 1ms);
    if (!command_.has_exited()) {
      (void)when_exited(left);
    } else if (command_.leaves_others()) {
      (void)wait_.later(std::min<clock::duration>(left, longest_interval));
    } else if (end_ && !medium::without_reader(end_.get())) {
      // Whoever that is has left the group, and no signal of ours finds him.
      if (!killed_) deadline_ = clock::now() + after_kill;
      killed_ = true;
      (void)wait_.when(end_.get(), 0, after_kill);
    } else {
      return true;
    }
    return false;
  }

  void warn_of_escape() noexcept {
    tell(NBDSTREAM_LOG_WARNING,
         "has left a process that cannot be ended: this process may take the aborted stream for a "
         "complete one");
  }

  void tell(nbdstream_log_level level, const std::string& what) const noexcept {
    try {
      host_.log(level, name_ + " " + what);
    } catch (const std::bad_alloc&) {
      // Then without these words.
    }
  }

  void forget_stream() noexcept {
    guardian_.release();
    end_.abandon();
    command_.forget();
    wait_.start_over();
    exit_until_.reset();
    deadline_.reset();
    killed_ = exit_told_ = false;
  }

  sink_host host_;
  std::string line_;
  std::string name_;
  clock::duration grace_;
  medium::write_end end_;
  command command_;
  guardian guardian_;
  medium::retry wait_;
  std::optional<clock::time_point> exit_until_;
  std::optional<clock::time_point> deadline_;  // of what the abort waits for
  bool killed_ = false;
  bool exit_told_ = false;
};

}  // namespace
}  // namespace nbdstream::exec

NBDSTREAM_EXPORT_SINK(nbdstream::exec::exec_sink)
