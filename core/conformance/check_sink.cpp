// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/check_sink.hpp"

#include "config/text.hpp"
#include "conformance/child.hpp"

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

namespace nbdstream::conformance {
namespace {

using namespace std::chrono_literals;

/// Beyond the grace, for whoever looks after a deadline of its own.
constexpr auto allowance = 1s;

/// So often a check in which a call took long is made before the module is blamed: whatever the
/// machine did meanwhile, it will not do each time.
constexpr int most_attempts = 3;

/// Before the first line, but not before it is known that the settings are right.
void print_header() {
  static bool printed = false;
  if (!std::exchange(printed, true)) fmt::print("TAP version 13\n1..{}\n", checks().size());
}

/// Watches one check, and gathers what there is to tell about it.
class watch {
 public:
  watch(const check& c, const sink::registry& registry, const config::sink_config& given,
        clock::duration grace, bool& keeps_a_stream)
      : check_(c),
        keeps_a_stream_(keeps_a_stream),
        grace_(std::min<clock::duration>(grace, 24h)),
        child_(c, registry, given, grace_) {}

  /// Until the check is over.
  void run();
  void print(std::size_t number) const;

  /// Whether nothing is wrong but that a call took long.
  [[nodiscard]] bool only_slow() const noexcept { return violations_.empty() && !slow_.empty(); }
  /// From now on that is the module's fault.
  void blame_for_slowness() { std::ranges::move(slow_, std::back_inserter(violations_)); }

  [[nodiscard]] bool left_out() const noexcept { return !failed() && !left_out_.empty(); }
  [[nodiscard]] bool failed() const noexcept { return !violations_.empty(); }
  [[nodiscard]] const std::string& bail_out() const noexcept { return bail_out_; }

 private:
  void take(const message& m);
  void drain();
  void follow(const message& m);
  void take_refusal(const std::string& text);
  void compare(const std::string& sent);
  void fail(std::string_view what, contract::sentence broken = {});
  void ended_early();

  const check& check_;
  bool& keeps_a_stream_;  ///< the last stream was committed, in this check or before
  clock::duration grace_;
  child child_;
  std::string call_;  ///< that runs now
  std::optional<clock::time_point> deadline_;
  bool done_ = false;
  bool refused_ = false;
  bool reads_ = false;
  checksum arrived_;
  std::vector<std::string> violations_;
  std::vector<std::string> slow_;
  std::string left_out_;
  std::string bail_out_;
};

void watch::fail(std::string_view what, contract::sentence broken) {
  violations_.push_back(fmt::format("{}\n{}", what, broken));
}

/// Takes what has arrived at standard output.
void watch::drain() {
  std::array<char, 65536> buffer{};
  while (reads_) {
    const auto n = ::read(child_.output(), buffer.data(), buffer.size());
    if (n <= 0) break;
    arrived_.add({buffer.data(), static_cast<std::size_t>(n)});
  }
}

void watch::compare(const std::string& sent) {
  if (!reads_) return;
  drain();
  if (arrived_.text() == sent) return;
  fail(fmt::format("commit said that the stream is complete, but what arrived at standard output "
                   "is not what was sent: {} bytes of {}",
                   arrived_.length, sent.substr(0, sent.find(' '))),
       contract::commit_is_final);
}

void watch::follow(const message& m) {
  const bool begins = m.what == kind::calling || m.what == kind::watching;
  if (m.what == kind::committed) keeps_a_stream_ = true;
  if (begins && m.text == "abort" && !refused_) keeps_a_stream_ = false;
}

/// A module may keep what it has committed. After an abort there is nothing that it could keep.
void watch::take_refusal(const std::string& text) {
  if (!keeps_a_stream_) return violations_.push_back(text);
  refused_ = true;
  left_out_ = fmt::format("another stream is refused ({}): give settings that allow it",
                          text.substr(0, text.find('\n')));
}

void watch::take(const message& m) {
  follow(m);
  switch (m.what) {
    case kind::calling:
      call_ = m.text;
      deadline_ = clock::now() + grace_ + allowance;
      break;
    case kind::watching:
      call_ = m.text;
      deadline_ = clock::now() + 4 * grace_ + allowance;
      break;
    case kind::returned:
      call_.clear();
      deadline_.reset();
      break;
    case kind::violation: violations_.push_back(m.text); break;
    case kind::slow: slow_.push_back(m.text); break;
    case kind::refused: take_refusal(m.text); break;
    case kind::note:
      print_header();
      fmt::print("# {}\n", config::printable(m.text));
      std::fflush(stdout);
      break;
    case kind::left_out: left_out_ = m.text; break;
    case kind::unusable: throw config::error(m.text);
    case kind::uses_stdout: reads_ = true; break;
    case kind::committed: compare(m.text); break;
    case kind::reader_pauses:
      drain();
      reads_ = false;
      break;
    case kind::reader_leaves: child_.close_output(); break;
    case kind::bail_out: bail_out_ = m.text; break;
    case kind::done:
      done_ = true;
      if (!m.text.empty()) ended_early();
      break;
  }
  const bool answered =
      m.what == kind::uses_stdout || m.what == kind::reader_pauses || m.what == kind::reader_leaves;
  if (answered) child_.reports().send(kind::done);
}

void watch::ended_early() {
  const auto how = child_.end(false);
  const auto where = call_.empty() ? "between two calls" : fmt::format("in {}", call_);
  fail(fmt::format("the process has ended {}: {}", where, how.empty() ? "exit status 0" : how));
  if (check_.essential) bail_out_ = "nothing else can work then";
}

void watch::run() {
  while (!done_) {
    std::array<pollfd, 2> ready{
        {{child_.reports().fd(), POLLIN, 0}, {reads_ ? child_.output() : -1, POLLIN, 0}}};
    int timeout = -1;
    if (deadline_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - clock::now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
    }
    ::poll(ready.data(), ready.size(), timeout);
    drain();
    if (const auto m = child_.reports().receive()) {
      take(*m);
    } else if (deadline_ && clock::now() >= *deadline_) {
      (void)child_.end(true);
      fail(fmt::format("hangs in {}: it has not returned within {} (--grace gives it longer)",
                       call_, in_words(grace_)),
           contract::must_not_block);
      if (check_.essential) bail_out_ = "nothing else can work then";
      return;
    }
  }
  (void)child_.end(false);
}

void watch::print(std::size_t number) const {
  fmt::print("{} {} - {}{}\n", failed() ? "not ok" : "ok", number, check_.name,
             left_out() ? fmt::format(" # SKIP {}", left_out_) : "");
  for (const auto& v : violations_) {
    const auto end = v.find('\n');
    fmt::print("#   {}\n", config::printable(v.substr(0, end)));
    const auto broken = end == v.npos ? std::string() : v.substr(end + 1);
    if (!broken.empty()) fmt::print("#   sink.h: \"{}\"\n", broken);
  }
  std::fflush(stdout);
}

/// A name that leads nowhere is a slip of the user's, and not the module's fault.
void look_for(const sink::registry& registry, const std::string& name) {
  const bool path = name.find('/') != name.npos;
  const auto names = path ? std::vector<std::string>() : registry.names();
  const bool there = path ? std::filesystem::exists(name)
                          : std::find(names.begin(), names.end(), name) != names.end();
  if (!there) (void)registry.load(name);
}

}  // namespace

bool check_sink(const sink::registry& registry, const config::sink_config& given,
                config::nanoseconds grace) {
  look_for(registry, given.module);
  const auto all = checks();
  std::vector<std::size_t> failed;
  std::size_t left_out = 0;
  bool keeps_a_stream = false;
  int attempts = most_attempts;
  for (std::size_t number = 1; number <= all.size(); ++number) {
    std::optional<watch> made;
    for (int attempt = 0; attempt < attempts && (!made || made->only_slow()); ++attempt) {
      made.emplace(all[number - 1], registry, given, grace, keeps_a_stream);
      made->run();
    }
    watch& w = *made;
    if (w.only_slow()) attempts = 1;  // by now it is known to be slow
    w.blame_for_slowness();
    print_header();
    w.print(number);
    if (w.left_out()) ++left_out;
    if (w.failed()) failed.push_back(number);
    if (w.bail_out().empty()) continue;
    fmt::print("Bail out! {}\n", w.bail_out());
    return false;
  }
  if (failed.empty()) {
    fmt::print(
        "# {}: nothing is wrong{}\n", config::printable(given.module),
        left_out == 0 ? "" : fmt::format("; {} of {} checks were left out", left_out, all.size()));
  } else {
    fmt::print("# {}: {} of {} failed: {}\n", config::printable(given.module), failed.size(),
               all.size(), fmt::join(failed, ", "));
  }
  return failed.empty();
}

}  // namespace nbdstream::conformance
