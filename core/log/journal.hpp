// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_LOG_JOURNAL_HPP
#define NBDSTREAM_LOG_JOURNAL_HPP

#include "log/field.hpp"
#include "log/levels.hpp"

#include <string>
#include <string_view>

namespace nbdstream::log {

/// The journal of systemd: each event is one datagram, in the form that systemd documents as stable
/// ("Native Journal Protocol"): MESSAGE, PRIORITY, SYSLOG_IDENTIFIER=nbdstream, and NBDSTREAM_NAME
/// for each field. Thread-safe.
class journal {
 public:
  static constexpr const char* usual_path = "/run/systemd/journal/socket";
  /// So many bytes of a text are sent; of what is longer the rest is cut off.
  static constexpr std::size_t longest_text = 48 << 10;

  explicit journal(std::string path = usual_path);
  ~journal();
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  /// Whether somebody listens there.
  [[nodiscard]] bool is_there() const noexcept;

  /// Whether it was sent; it waits a moment for a journal that is busy. `text` may hold anything:
  /// control characters are made visible, so that the journal shows the text as one.
  [[nodiscard]] bool send(level l, std::string_view text, fields about) const noexcept;

 private:
  std::string path_;
  int fd_;
};

/// Whether `fd` is connected to the journal, as $JOURNAL_STREAM tells it: systemd.exec(5).
[[nodiscard]] bool is_journal_stream(int fd) noexcept;

}  // namespace nbdstream::log
#endif
