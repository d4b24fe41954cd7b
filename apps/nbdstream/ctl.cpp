// SPDX-License-Identifier: BSD-3-Clause
#include "ctl.hpp"

#include "config/config.hpp"
#include "config/parse.hpp"
#include "config/text.hpp"
#include "control/request.hpp"
#include "control_client.hpp"
#include "log/utf8.hpp"
#include "status_table.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nbdstream {
namespace {

constexpr const char* usage = R"(Usage: nbdstream ctl [OPTION]... COMMAND [EXPORT]

Shows the state of a running nbdstream, and commits or aborts its streams. EXPORT can be left out if
there is only one.

Commands:
  status           show what each export does
  commit [EXPORT]  the job that wrote the stream has succeeded (with --end told): commit the stream,
                   and wait until the sink has committed it
  abort [EXPORT]   the job has failed: abort the stream, and wait until it has been aborted
  wait [EXPORT]    wait for the end of the open stream, or of the next one if none is open
  stop             end nbdstream, as SIGTERM does

Options:
      --control PATH  the control socket; default: the value of the variable NBDSTREAM_CONTROL
      --json          status: print all details, for programs
      --reason TEXT   abort: why the job failed, for the log
      --timeout TIME  how long to wait for an answer; default: status and stop 30s, others no limit
  -h, --help          print this text

Exit status: 0 the stream has ended as requested, or the command is done; 1 the stream was aborted
instead, the command was refused, or nbdstream does not answer; 2 bad usage.
)";

/// How long an answer may take that nothing has to be waited for, unless --timeout says otherwise.
constexpr std::chrono::seconds short_time{30};

struct ctl_command {
  std::string control;
  std::string verb;
  std::optional<std::string> export_name;
  std::string reason;
  std::optional<config::nanoseconds> timeout;
  bool json = false;
  bool help = false;
};

constexpr std::array<std::string_view, 5> verbs{"status", "commit", "abort", "wait", "stop"};
constexpr std::array<std::string_view, 5> options{"--control", "--reason", "--timeout", "--json",
                                                  "--help"};

/// One word after another, with "--option VALUE" and "--option=VALUE" alike.
class word_reader {
 public:
  explicit word_reader(std::span<char* const> words) : words_(words) {}

  ctl_command read() {
    while (!words_.empty()) {
      const std::string_view word = next();
      if (only_names_ || word.size() < 2 || word.front() != '-') {
        take_name(word);
      } else if (word == "--") {
        only_names_ = true;
      } else {
        take_option(word);
      }
    }
    return std::move(command_);
  }

 private:
  std::string_view next() {
    const std::string_view word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }

  void take_name(std::string_view word) {
    if (command_.verb.empty()) {
      if (std::ranges::find(verbs, word) == verbs.end()) {
        throw config::error(fmt::format("ctl: there is no command {}{}; see nbdstream ctl --help",
                                        config::quote(word), config::did_you_mean(word, verbs)));
      }
      command_.verb = word;
    } else if (!command_.export_name) {
      command_.export_name = word;
    } else {
      throw config::error(fmt::format("ctl: {}: one export at a time", config::quote(word)));
    }
  }

  void take_option(std::string_view word) {
    const auto equals = std::min(word.find('='), word.size());
    const auto name = word.substr(0, equals);
    const auto value = [&] {
      if (equals < word.size()) return std::string(word.substr(equals + 1));
      if (words_.empty()) throw config::error(fmt::format("ctl: {} needs a value", name));
      return std::string(next());
    };
    if (name == "--control") {
      command_.control = value();
    } else if (name == "--reason") {
      command_.reason = value();
    } else if (name == "--timeout") {
      command_.timeout = time_of(value());
    } else if (word == "--json") {
      command_.json = true;
    } else if (word == "--help" || word == "-h") {
      command_.help = true;
    } else {
      throw config::error(fmt::format("ctl: there is no option {}{}; see nbdstream ctl --help",
                                      config::quote(name), config::did_you_mean(name, options)));
    }
  }

  static config::nanoseconds time_of(const std::string& text) {
    try {
      const auto time = config::parse_duration(text);
      if (time > config::nanoseconds::zero()) return time;
    } catch (const config::error& e) {
      throw config::error(fmt::format("ctl: --timeout: {}", e.what()));
    }
    throw config::error("ctl: --timeout: give more than 0, or leave it out");
  }

  std::span<char* const> words_;
  bool only_names_ = false;
  ctl_command command_;
};

void complete_and_check(ctl_command& c) {
  if (c.verb.empty()) throw config::error("ctl: say what to do; see nbdstream ctl --help");
  const bool of_an_export = c.verb == "commit" || c.verb == "abort" || c.verb == "wait";
  if (c.export_name && !of_an_export) {
    throw config::error(fmt::format("ctl: {} is for all exports; leave out {}", c.verb,
                                    config::quote(*c.export_name)));
  }
  if (!c.reason.empty() && c.verb != "abort")
    throw config::error("ctl: --reason is for abort; leave it out");
  if (c.json && c.verb != "status") throw config::error("ctl: --json is for status; leave it out");
  const char* const from_environment = std::getenv("NBDSTREAM_CONTROL");
  if (c.control.empty() && from_environment) c.control = from_environment;
  if (c.control.empty()) {
    throw config::error(
        "ctl: which nbdstream? Give --control PATH, or set NBDSTREAM_CONTROL to the path");
  }
}

/// All but what RFC 3986 calls unreserved.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view also_plain = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) || also_plain.find(c) != text.npos);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

std::string target_of(const ctl_command& c, std::string_view verb) {
  if (!c.export_name) return fmt::format("/v1/{}", verb);
  return fmt::format("/v1/exports/{}/{}", percent_encoded(*c.export_name), verb);
}

/// As UTF-8 without control characters, and not too long for the server.
std::string sendable_reason(std::string_view text) {
  auto out = config::printable(log::to_utf8(text));
  if (out.size() <= control::longest_reason) return out;
  auto end = control::longest_reason;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;
  out.resize(end);
  return out;
}

/// The sentence in {"error": sentence}, or whatever else there is.
std::string error_in(const control_reply& r) {
  boost::system::error_code failed;
  const auto value = boost::json::parse(r.body, failed);
  const auto* const object = failed ? nullptr : value.if_object();
  const auto* const sentence = object ? object->if_contains("error") : nullptr;
  if (sentence && sentence->is_string()) return std::string(sentence->get_string());
  return fmt::format("nbdstream answers {}: {}", r.status, r.body);
}

/// An outcome, for people; returns whether the stream was committed.
bool show_outcome(const std::string& body, log::logger& log) {
  const auto outcome = boost::json::parse(body);
  const auto text = [&](const char* key) {
    const auto& value = outcome.at(key);
    return value.is_string() ? std::string(value.get_string()) : std::string();
  };
  if (text("outcome") != "committed") {
    log.error("stream {}: aborted: {}", outcome.at("id").to_number<std::uint64_t>(),
              text("reason"));
    return false;
  }
  fmt::print("committed: {} bytes in {:.2f} s\n",
             outcome.at("sent_bytes").to_number<std::uint64_t>(),
             outcome.at("seconds").to_number<double>());
  // A receipt that could not be written.
  const auto problem = text("reason");
  if (!problem.empty()) log.error("{}", problem);
  return problem.empty();
}

int refused(const control_reply& r, log::logger& log) {
  log.error("ctl: {}", error_in(r));
  return 1;
}

int show_status(const ctl_command& c, log::logger& log) {
  const auto r = ask_control(c.control, "GET", "/v1/status", {}, c.timeout.value_or(short_time));
  if (r.status != 200) return refused(r, log);
  fmt::print("{}", c.json ? r.body : status_table(boost::json::parse(r.body)));
  return 0;
}

int tell(const ctl_command& c, log::logger& log) {
  const bool waits = c.verb == "wait";
  const auto r =
      ask_control(c.control, waits ? "GET" : "POST", target_of(c, waits ? "outcome" : c.verb),
                  sendable_reason(c.reason), c.timeout);
  if (r.status != 200) return refused(r, log);
  if (c.verb == "abort") return 0;
  return show_outcome(r.body, log) ? 0 : 1;
}

}  // namespace

int run_ctl(std::span<char* const> words, log::logger& log) {
  auto command = word_reader(words).read();
  if (command.help) return fmt::print("{}", usage), 0;
  complete_and_check(command);
  try {
    if (command.verb == "status") return show_status(command, log);
    if (command.verb != "stop") return tell(command, log);
    const auto r =
        ask_control(command.control, "POST", "/v1/stop", {}, command.timeout.value_or(short_time));
    return r.status == 200 ? 0 : refused(r, log);
  } catch (const control_error& e) {
    log.error("ctl: {}", e.what());
  } catch (const boost::system::system_error& e) {
    log.error("ctl: {}: what answers there is not nbdstream: {}", command.control, e.what());
  }
  return 1;
}

}  // namespace nbdstream
