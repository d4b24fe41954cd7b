// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SINK_MODULE_HOST_HPP
#define NBDSTREAM_SINK_MODULE_HOST_HPP

#include "io/error.hpp"
#include "log/context.hpp"
#include "sink/options.hpp"
#include "sink/sink.hpp"

#include <nbdstream/sink.h>

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::sink {

/// The host as one sink of a module sees it: what it may ask and tell, from whatever thread sink.h
/// allows.
class module_host {
 public:
  /// `look` is called on the loop's thread soon after the module has called wake(), as long as this
  /// lives.
  module_host(asio::any_io_executor executor, settings options, log::context log,
              std::function<void()> look);
  ~module_host();
  module_host(const module_host&) = delete;
  module_host& operator=(const module_host&) = delete;

  /// What the module gets; valid as long as this.
  [[nodiscard]] const nbdstream_host& table() const noexcept { return table_; }

  /// From now on the module's lines are about this stream, of which nothing is acknowledged.
  void begin_stream(std::uint64_t id);
  /// How much of that stream is safe with the other side, in bytes, where the module has said so.
  [[nodiscard]] std::optional<std::uint64_t> acknowledged() const noexcept;

  /// A call begins: what was explained before is forgotten.
  void begin_call() { explanation_.clear(); }
  /// What the module has explained since; once. State: the call has returned.
  [[nodiscard]] std::string take_explanation() { return std::exchange(explanation_, {}); }
  /// In place of the module, which broke a promise.
  void explain(std::string_view text) { explanation_ = text; }

  /// What the module says is a fact of the stream only between these two.
  void begin_commit();
  void end_commit() { committing_ = false; }
  /// Of the last commit. State: it has ended.
  [[nodiscard]] std::span<const fact> facts() const noexcept { return facts_; }

  /// As if the module had called wake().
  void wake() const noexcept;

  /// The log of the stream that the sink serves, or served last.
  [[nodiscard]] log::context log_now() const;

 private:
  static void log_line(const nbdstream_host* host, int level, const char* text);
  static void explain(const nbdstream_host* host, const char* text);
  static const nbdstream_setting* find_setting(const nbdstream_host* host, const char* name);
  static void note_result(const nbdstream_host* host, const char* key, const char* value);
  static void note_progress(const nbdstream_host* host, std::uint64_t length);
  static void wake_up(const nbdstream_host* host);

  struct waking;

  const settings settings_;
  const log::context log_;
  nbdstream_host table_{};
  std::string explanation_;  ///< written during a call, read after it
  std::vector<fact> facts_;  ///< likewise, of a commit
  std::atomic<bool> committing_ = false;
  std::atomic<std::uint64_t> stream_ = 0;  ///< the last one; none yet: 0
  /// Bytes, and one more; 0 where the module has said nothing.
  std::atomic<std::uint64_t> acknowledged_ = 0;
  const std::shared_ptr<waking> waking_;  ///< what is posted to the loop may keep it longer
};

}  // namespace nbdstream::sink
#endif
