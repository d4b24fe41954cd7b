// SPDX-License-Identifier: BSD-3-Clause
#include "sink/module_host.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace nbdstream::sink {
namespace {

module_host& of(const nbdstream_host* host) {
  return *static_cast<module_host*>(host->context);
}

}  // namespace

struct module_host::waking {
  // For clang 14, which has no aggregates in parentheses.
  waking(asio::any_io_executor e, std::function<void()> l)
      : executor(std::move(e)), look(std::move(l)) {}

  asio::any_io_executor executor;
  std::function<void()> look;  ///< of the loop's thread; none once the sink is gone
  std::atomic<bool> due = false;
};

module_host::module_host(asio::any_io_executor executor, settings options, log::context log,
                         std::function<void()> look)
    : settings_(std::move(options)),
      log_(std::move(log)),
      waking_(std::make_shared<waking>(std::move(executor), std::move(look))) {
  table_.struct_size = sizeof table_;
  table_.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
  table_.context = this;
  table_.log = log_line;
  table_.explain = explain;
  table_.setting = find_setting;
  table_.result = note_result;
  table_.progress = note_progress;
  table_.wake = wake_up;
}

module_host::~module_host() {
  waking_->look = nullptr;
}

void module_host::begin_stream(std::uint64_t id) {
  stream_.store(id, std::memory_order_relaxed);
  acknowledged_.store(0, std::memory_order_relaxed);
}

std::optional<std::uint64_t> module_host::acknowledged() const noexcept {
  const auto said = acknowledged_.load(std::memory_order_relaxed);
  return said > 0 ? std::optional(said - 1) : std::nullopt;
}

void module_host::begin_commit() {
  facts_.clear();
  committing_ = true;
}

log::context module_host::log_now() const {
  auto log = log_;
  if (const auto id = stream_.load(std::memory_order_relaxed)) log.about().stream = id;
  return log;
}

void module_host::log_line(const nbdstream_host* host, int level, const char* text) {
  auto& self = of(host);
  const auto clamped = std::clamp(level, static_cast<int>(NBDSTREAM_LOG_ERROR),
                                  static_cast<int>(NBDSTREAM_LOG_DEBUG));
  const auto l = static_cast<log::level>(clamped);
  if (self.log_.enabled(l)) self.log_now().line(l, text);
}

void module_host::explain(const nbdstream_host* host, const char* text) {
  of(host).explanation_ = text;
}

const nbdstream_setting* module_host::find_setting(const nbdstream_host* host, const char* name) {
  return of(host).settings_.find(name);
}

/// What breaks the rules of sink.h is left out: a receipt must not grow without a bound.
void module_host::note_result(const nbdstream_host* host, const char* key, const char* value) {
  constexpr std::size_t most_facts = 64;
  auto& self = of(host);
  const std::string_view name(key);
  const std::string_view text(value);
  if (!self.committing_ || name.empty() || name.size() > fact::longest_key) return;
  if (text.size() > fact::longest_value) return;
  const auto known = std::ranges::find(self.facts_, name, &fact::key);
  if (known != self.facts_.end()) {
    known->value = text;
  } else if (self.facts_.size() < most_facts) {
    self.facts_.push_back({std::string(name), std::string(text)});
  }
}

/// The largest value counts, whichever of the module's threads comes first.
void module_host::note_progress(const nbdstream_host* host, std::uint64_t length) {
  auto& known = of(host).acknowledged_;
  const auto said = std::min(length, UINT64_MAX - 1) + 1;
  auto before = known.load(std::memory_order_relaxed);
  while (before < said && !known.compare_exchange_weak(before, said, std::memory_order_relaxed)) {
  }
}

void module_host::wake_up(const nbdstream_host* host) {
  of(host).wake();
}

/// Many calls become one look. What is posted owns what it uses: the sink may go before it runs.
void module_host::wake() const noexcept {
  if (waking_->due.exchange(true)) return;
  try {
    asio::post(waking_->executor, [w = waking_] {
      w->due = false;
      if (w->look) w->look();
    });
  } catch (const std::bad_alloc&) {
    waking_->due = false;  // the next wake() may have more luck
  }
}

}  // namespace nbdstream::sink
