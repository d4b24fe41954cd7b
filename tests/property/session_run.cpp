// SPDX-License-Identifier: BSD-3-Clause
#include "session_run.hpp"

#include "link.hpp"
#include "plain_disk.hpp"
#include "server/payload.hpp"

#include <fmt/format.h>
#include <gtest/gtest-spi.h>

#include <array>
#include <cerrno>
#include <memory>

namespace nbdstream::test {
namespace {

using stream::order;

constexpr int shut_down = 108;  // NBD_ESHUTDOWN

/// How many bytes each byte of a script stands for where payloads are to be spliced: many payloads
/// of a script have 128 bytes, which become 32 KiB.
constexpr std::uint32_t large_unit = 256;
static_assert(std::uint64_t{large_unit} * 128 == payload::least_splice);

nbd_export::settings settings_of(const script& s, std::uint32_t unit) {
  auto settings = rig::plain();
  if (s.size) settings.config.size = s.before + *s.size * unit;
  settings.config.max_stream = s.before + script::max_stream * unit;
  settings.config.window = s.window * unit;
  if (s.spill) settings.config.spill_limit = *s.spill * unit;
  settings.config.stall = s.patient ? std::chrono::hours(24) : std::chrono::hours(0);
  settings.config.pad = s.pad;
  settings.order = s.mode;
  settings.refuse_gaps = s.refuse_gaps;
  return settings;
}

class session_run {
 public:
  session_run(const script& s, data_path path, std::uint32_t unit)
      : script_(s), unit_(unit), disk_(s), rig_(settings_of(s, unit), path) {}

  std::string play() {
    if (script_.before > 0) name_what_is_before();
    for (std::size_t i = 0; i < script_.ops.size() && wrong_.empty(); ++i) {
      if (fits_now(script_.ops[i])) perform(client(script_.ops[i].client), script_.ops[i], i);
    }
    help_the_stuck();
    say_goodbye();
    return wrong_.empty() ? "" : wrong_ + "\n" + rig_.log.all();
  }

 private:
  /// The bytes that were sent, counted in units of the script.
  [[nodiscard]] std::string_view sent() const { return sent_; }
  [[nodiscard]] std::string_view everything_sent() const {
    return rig_.tape.streams.empty() ? std::string_view() : rig_.tape.streams.back().data;
  }
  [[nodiscard]] bool failed() const { return rig_.exported.aborted() > 0; }
  [[nodiscard]] bool any(auto&& is_so) const {
    for (const auto& c : clients_) {
      if (c && is_so(*c)) return true;
    }
    return false;
  }

  template <class... T>
  void expect(bool is_so, fmt::format_string<T...> text, T&&... values) {
    if (!is_so && wrong_.empty()) wrong_ = fmt::format(text, std::forward<T>(values)...);
  }

  link& client(std::size_t index) {
    if (!clients_[index]) clients_[index] = std::make_unique<link>(rig_, unit_);
    return *clients_[index];
  }

  /// Whether the protocol and the model allow `o` now.
  [[nodiscard]] bool fits_now(const op& o) {
    auto& who = client(o.client);
    if (who.said_goodbye || who.blocked()) return false;
    if (o.what == op::kind::disc) {
      return any([&](const link& c) { return &c != &who && c.joined && !c.said_goodbye; });
    }
    return !any([&](const link& c) {
      for (const auto cookie : c.unanswered()) {
        const auto& other = c.at(cookie).what;
        if (o.offset < other.end() && other.offset < o.end()) return true;
      }
      return false;
    });
  }

  void settle() {
    rig_.settle();
    take_sent();
    for (const auto& c : clients_) {
      if (c) expect_right(c->take_answers());
    }
  }
  void take_sent() {
    auto more = everything_sent();
    more.remove_prefix(std::min<std::size_t>(more.size(), script_.before + sent_.size() * unit_));
    const auto units = shrunk(more, unit_);
    expect(units.has_value(), "the stream has bytes that nobody wrote");
    sent_ += units.value_or("");
  }
  void expect_right(const std::string& wrong) { expect(wrong.empty(), "{}", wrong); }

  /// Whether the request cannot be refused by its header alone.
  [[nodiscard]] bool reaches_stream(const op& o) const {
    return o.changes() && o.length > 0 && !(script_.size && o.end() > script_.reach());
  }

  void name_what_is_before() {
    auto& who = client(0);
    who.joined = true;
    const auto cookie = who.name_before(script_);
    settle();
    expect(who.at(cookie).answered && who.at(cookie).error == 0, "the beginning is refused");
  }

  void perform(link& who, const op& o, std::size_t index) {
    const auto cursor = sent().size();
    const bool over = failed();
    const bool was_joined = who.joined;
    const auto wanted = disk_.expect(o, cursor);
    if (!over && (wanted.fails_stream || reaches_stream(o))) who.joined = true;
    if (!over && wanted.error == 0) disk_.apply(o, index, cursor);
    const auto cookie = who.send(o, index, script_);
    if (o.what == op::kind::disc) {
      settle();
      expect(who.done() && who.unanswered().empty(), "request {}: DISC is not heeded", index);
    } else {
      settle();
      check_answer(who, cookie, index, over ? after_failure(o, wanted, was_joined) : wanted, over);
    }
    if (!failed()) check_stream();
  }

  [[nodiscard]] expectation after_failure(const op& o, expectation wanted, bool joined) const {
    const bool changes = o.changes();
    if (changes && script_.size && o.end() > script_.reach()) return {wanted.error, false};
    if (o.what == op::kind::read && script_.size && o.end() > *script_.size) return {EINVAL, false};
    if (o.length == 0 && o.what != op::kind::flush) return {};
    if (joined) return {EIO, false};
    return {changes ? shut_down : 0, false};
  }

  void check_answer(link& who, std::uint64_t cookie, std::size_t index, expectation wanted,
                    bool over) {
    const auto& r = who.at(cookie);
    if (!r.answered) {
      const bool may_wait = script_.mode == order::window && r.what.what == op::kind::write;
      expect(may_wait && !over, "request {} is not answered", index);
      expect(wanted.error == 0, "request {} waits, but must fail", index);
      who.probe = who.send({op::kind::flush, r.what.client}, index, script_);
      settle();
      expect(who.at(who.probe).answered || !r.answered, "request {}: FLUSH waits", index);
      expect(who.blocked() || !r.what.fua, "request {}: FUA waits for a gap", index);
      expect(who.at(who.probe).answered || script_.patient, "request {} waits for ever", index);
      return;
    }
    const auto error = static_cast<int>(r.error);
    const bool gap_fails = !over && failed() && error != 0 && error != wanted.error;
    if (gap_fails) {
      expect(may_fail_by_itself(error), "request {}: the stream fails for no reason", index);
      return;
    }
    expect(error == wanted.error, "request {}: error {} instead of {}", index, error, wanted.error);
    if (!over) expect(failed() == wanted.fails_stream, "request {}: is the stream over?", index);
    if (r.what.what == op::kind::read && error == 0) {
      const auto meant =
          over ? std::string(r.what.length, '\0') : disk_.read(r.what.offset, r.what.length);
      expect(r.data == meant, "request {}: READ gives other bytes", index);
    }
  }

  /// Whether the window may be full while gaps are refused, or the spill file may be full.
  [[nodiscard]] bool may_fail_by_itself(int error) const {
    if (script_.mode == order::window) {
      return error == EIO && script_.refuse_gaps && !script_.patient &&
             disk_.weight(sent().size()) > script_.window / 2;
    }
    return error == ENOSPC && script_.spill && script_.mode != order::strict &&
           disk_.pages_written() + 4096 * script_.ops.size() > *script_.spill;
  }

  void check_stream() {
    auto barrier = plain_disk::nowhere;
    for (const auto& c : clients_) {
      if (!c || !c->blocked()) continue;
      for (const auto cookie : c->unanswered()) {
        barrier = std::min<std::uint64_t>(barrier, c->at(cookie).what.offset);
      }
    }
    expect_right(disk_.check(sent(), barrier));
    const bool gives_up = script_.mode == order::window && !script_.patient;
    if (script_.mode == order::strict || !wrong_.empty()) return;
    const auto passed = disk_.passed_over(sent().size());
    expect(passed == 0 || gives_up, "a gap was passed over");
    expect(passed == 0 || !script_.refuse_gaps, "a gap was passed over that is refused");
    expect(passed == 0 || rig_.log.says("will not wait for later gaps"),
           "a gap given up in silence");
  }

  /// Without --stall, clients may be blocked for good. Another client then fills the gaps.
  void help_the_stuck() {
    while (wrong_.empty() && any([](const link& c) { return c.blocked(); })) {
      const auto gap = disk_.first_gap(sent().size());
      expect(gap.begin < gap.end && gap.end < script_.reach(), "blocked without a gap");
      const auto length = static_cast<std::uint32_t>(gap.end - gap.begin);
      const auto begin = static_cast<std::uint32_t>(gap.begin);
      if (wrong_.empty()) {
        perform(client(script::most_clients),
                {op::kind::zeroes, script::most_clients, begin, length}, script_.ops.size());
      }
    }
  }

  void say_goodbye() {
    const bool wrote = any([](const link& c) { return c.joined; });
    const bool over = failed();
    for (const auto& c : clients_) {
      if (c && !c->said_goodbye) c->send({op::kind::disc, 0}, 0, script_);
      settle();
    }
    rig_.exported.no_more_clients();
    settle();
    expect(rig_.export_done, "the export does not end");
    for (const auto& c : clients_) {
      expect(!c || (c->done() && c->unanswered().empty()), "a client's requests have no answer");
    }
    if (!wrong_.empty()) return;
    expect(rig_.tape.all_ended_once() && rig_.tape.streams.size() <= 1, "the sink's end is wrong");
    const bool complete = disk_.exists() && (disk_.proven() || !script_.refuse_gaps);
    const bool commits = wrote && !over && complete;
    expect((rig_.tape.commits() == 1) == commits, "committed or not: it must be {}", commits);
    expect(rig_.exported.committed() + rig_.exported.aborted() == (wrote ? 1 : 0), "counted wrong");
    const auto meant = link::content_before(script_) + stretched(disk_.stream(), unit_);
    expect(!commits || everything_sent() == meant, "the stream is not the array");
  }

  const script& script_;
  const std::uint32_t unit_;
  plain_disk disk_;
  rig rig_;
  std::string sent_;
  std::array<std::unique_ptr<link>, script::most_clients + 1> clients_;
  std::string wrong_;
};

std::string run(const script& s, data_path path, std::uint32_t unit) {
  testing::TestPartResultArray found;
  std::string wrong;
  {
    using reporter = testing::ScopedFakeTestPartResultReporter;
    const reporter quiet(reporter::INTERCEPT_ONLY_CURRENT_THREAD, &found);
    wrong = session_run(s, path, unit).play();
  }
  if (wrong.empty() && found.size() > 0) wrong = found.GetTestPartResult(0).message();
  return wrong;
}

}  // namespace

std::string run_sessions(const script& s) {
  return run(s, data_path::copied, 1);
}

std::string run_large_sessions(const script& s, data_path path) {
  return run(s, path, large_unit);
}

}  // namespace nbdstream::test
