// SPDX-License-Identifier: BSD-3-Clause
//
// Settings, and what one or two clients send, through sessions, an export, and a sink in memory:
// everything comes to an end, and nothing torn is committed.
#include "fuzz/demand.hpp"
#include "support/scripted_client.hpp"
#include "unit/server/rig.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace {

using namespace nbdstream;
using namespace nbdstream::test;

constexpr std::uint64_t largest = 64 << 10;    // bytes of a stream,
constexpr std::uint64_t larger = 1 << 20;      // and of one with large payloads:
constexpr std::uint32_t factor = 256;          // there each byte stands for this many
constexpr std::size_t most_replies = 1 << 16;  // bytes that are kept

struct script {
  nbd_export::settings settings = rig::plain();
  std::optional<std::size_t> sink_fails_at, spill_fails_at;
  std::size_t piece = 0;  ///< bytes of a read; 0: as many as there are
  bool greeted = false;   ///< the handshake goes without saying
  data_path path = data_path::copied;
  bool large = false;  ///< payloads are stretched until they may be spliced
  std::optional<std::size_t> unsupported_at, connection_fails_at;
  fault fails_how = fault::reset;
  std::string first, second;
};

std::optional<std::size_t> index_of(std::uint8_t byte) {
  return byte == 0 ? std::nullopt : std::optional<std::size_t>(byte - 1);
}

script read_script(settings_of from) {
  script s;
  const auto how = from.byte();
  s.settings.order = static_cast<stream::order>(how & 3);
  if (how & 4) s.settings.config.size = from.number(2);
  s.settings.config.max_stream = largest;
  s.settings.config.stall = (how & 8) ? std::chrono::hours(0) : std::chrono::hours(1);
  s.settings.refuse_gaps = how & 0x10;
  s.greeted = how & 0x20;
  const bool two = how & 0x40;
  if (how & 0x80) {
    const auto more = from.byte();
    s.path = (more & 1) ? data_path::spliced_unseen : data_path::spliced;
    s.large = s.greeted && (more & 2);
    s.fails_how = static_cast<fault>((more >> 2) & 3);
    s.unsupported_at = index_of(from.byte());
    s.connection_fails_at = index_of(from.byte());
  }
  s.settings.config.window = from.byte() * std::uint64_t{16};
  s.sink_fails_at = index_of(from.byte());
  s.spill_fails_at = index_of(from.byte());
  s.piece = from.byte();
  if (s.large) {
    s.settings.config.max_stream = larger;
    s.settings.config.window *= factor;
    s.piece *= factor;
    if (s.settings.config.size) s.settings.config.size = *s.settings.config.size * 16;
  }
  const auto length = two ? from.number(2) : std::string::npos;
  s.first = from.rest().substr(0, length);
  if (two) s.second = from.rest().substr(s.first.size());
  return s;
}

std::string number_of(std::uint64_t value, int size) {
  std::string text;
  for (; size > 0; --size) text += static_cast<char>(value >> (8 * (size - 1)));
  return text;
}

/// Multiplies offset, length and payload of each request, as far as `text` consists of requests.
std::string stretched(std::string_view text) {
  constexpr std::uint64_t most = 128 << 10;
  std::string large;
  while (text.size() >= 28 && from_big_endian(text, 4) == 0x25609513) {
    const bool write = from_big_endian(text.substr(6), 2) == 1;
    const auto length = from_big_endian(text.substr(24), 4);
    if (write && length > text.size() - 28) break;
    const auto times = write ? std::min<std::uint64_t>(length * factor, most) : length * factor;
    large += text.substr(0, 16);
    large += number_of(from_big_endian(text.substr(16), 8) * factor, 8) + number_of(times, 4);
    text.remove_prefix(28);
    if (!write) continue;
    for (std::uint64_t i = 0; i < times; ++i) large += text[i / factor];
    text.remove_prefix(length);
  }
  return large.append(text);
}

/// Whether what follows the handshake has a goodbye in it, behind whole requests.
bool says_goodbye(std::string_view text) {
  while (text.size() >= 28 && from_big_endian(text, 4) == 0x25609513) {
    const auto type = from_big_endian(text.substr(6), 2);
    const auto payload = type == 1 ? from_big_endian(text.substr(24), 4) : 0;
    if (type == 2) return true;
    text.remove_prefix(28);
    if (payload > text.size()) return false;
    text.remove_prefix(payload);
  }
  return false;
}

class run {
 public:
  explicit run(script s) : script_(std::move(s)), rig_(script_.settings, script_.path) {
    rig_.tape.fail_at = script_.sink_fails_at;
    rig_.tape.unsupported_at = script_.unsupported_at;
    rig_.spill.fail_at = script_.spill_fails_at;
  }

  void play() {
    connect(script_.first);
    if (!script_.second.empty()) connect(script_.second);
    rig_.settle();
    // Who waits for room that never comes notices that its client is gone.
    for (auto& c : rig_.connections) c.tape.hang_up();
    rig_.settle();
    for (const auto& c : rig_.connections) demand(c.done, "a session whose client is gone ends");
    rig_.exported.no_more_clients();
    rig_.settle();
    demand(rig_.export_done, "an export without clients ends");
    demand(rig_.nothing_left(), "no coroutine is left");
    expect_end();
  }

 private:
  void connect(const std::string& text) {
    const std::string greeting =
        script_.greeted ? scripted_client().flags().go().script() : std::string();
    auto& c = rig_.connect(greeting + (script_.large ? stretched(text) : text));
    c.tape.keeps = most_replies;
    c.tape.fail_at = script_.connection_fails_at;
    c.tape.fail_how = script_.fails_how;
    for (std::size_t at = script_.piece; script_.piece > 0 && at < c.tape.to_server.size();
         at += script_.piece) {
      c.tape.splits.push_back(at);
    }
    rig_.go(c);
  }

  void expect_end() const {
    demand(rig_.tape.all_ended_once(), "a stream ends in exactly one of commit and abort");
    demand(rig_.tape.streams.size() <= 1, "there is one stream");
    demand(rig_.exported.committed() == rig_.tape.commits(), "what is committed is counted");
    const auto limit = script_.large ? larger : largest;
    demand(rig_.tape.data().size() <= limit, "the stream is no longer than it may be");
    if (rig_.tape.commits() == 0 || !script_.greeted) return;
    demand(says_goodbye(script_.first) || says_goodbye(script_.second),
           "nothing is committed without a goodbye");
  }

  script script_;
  rig rig_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  // What the fakes find fault with is a finding too.
  GTEST_FLAG_SET(break_on_failure, true);
  run(read_script(settings_of({data, length}))).play();
  return 0;
}
