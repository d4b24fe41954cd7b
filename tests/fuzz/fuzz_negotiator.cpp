// SPDX-License-Identifier: BSD-3-Clause
//
// A byte of settings, and what a client says in its handshake.
#include "fuzz/demand.hpp"
#include "protocol/negotiator.hpp"
#include "support/scripted_client.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace nbdstream::test;
using namespace nbdstream::protocol;
using state = negotiator::state;

constexpr std::uint32_t by_name = 1, go = 7;

const export_info all_exports[] = {{"", "the default", 5000, 0x0d},
                                   {"a", "", std::uint64_t{1} << 62, 1},
                                   {std::string(4096, 'n'), std::string(4096, 'd'), 0, 0xffff}};

/// To one option it says at most as much as a list of all exports is.
constexpr std::size_t most_said = 20'000;

/// What was sent, as this target understands it.
struct client {
  bool greeted = false;
  std::uint32_t option = 0;
  std::uint64_t left = 0;  ///< of its data
  std::string data;
  std::size_t options = 0;

  void send(std::string_view piece) {
    if (!std::exchange(greeted, true)) return;
    if (left > 0) {
      demand(piece.size() <= left, "it reads no further than the option reaches");
      left -= piece.size();
      data += piece;
      return;
    }
    demand(piece.size() == 16, "an option begins with its header");
    option = static_cast<std::uint32_t>(from_big_endian(piece.substr(8), 4));
    left = from_big_endian(piece.substr(12), 4);
    data.clear();
    ++options;
  }

  [[nodiscard]] std::string name() const {
    if (option == by_name) return data;
    demand(option == go, "nothing else ends the handshake");
    return data.substr(4, from_big_endian(data, 4));
  }
};

class handshake {
 public:
  handshake(std::span<const export_info> exports, bool gated, std::string_view script)
      : exports_(exports), gated_(gated), script_(script), machine_(exports) {
    if (gated) machine_.set_gate({{option_reply::err_policy, "closed"}});
  }

  void run() {
    take_output();
    while (machine_.current() == state::talking && machine_.wants() <= script_.size()) {
      const auto wants = machine_.wants();
      // A copy of exactly this size, so that a sanitizer sees a read beyond it.
      const std::vector<char> piece(script_.data(), script_.data() + wants);
      client_.send(script_.substr(0, wants));
      script_.remove_prefix(wants);
      machine_.receive(std::as_bytes(std::span(piece)));
      take_output();
    }
    expect_end();
  }

 private:
  void take_output() {
    if (machine_.current() == state::talking) {
      demand(machine_.wants() >= 1, "it wants something");
      demand(machine_.wants() <= max_option_payload, "it does not want too much");
    }
    const auto& output = machine_.output();
    demand(output.size() <= most_said, "what it says to one option is bounded");
    said_.append(reinterpret_cast<const char*>(output.data()), output.size());
    machine_.output().clear();
  }

  void expect_end() {
    demand(client_.options <= max_options + 4 * exports_.size() + 1, "options have an end");
    demand((machine_.current() == state::violated) == !machine_.why().empty(),
           "a violation has a reason");
    const bool agreed = machine_.current() == state::transmission;
    if (agreed) expect_chosen();
    if (!agreed || client_.option == go) {
      const auto heard = scripted_client().parse(said_);
      demand(heard.greeted && heard.wrong.empty(), "it says nothing that no server may say");
      demand(heard.leftover.empty(), "it says whole messages");
    }
  }

  void expect_chosen() const {
    demand(!gated_, "a closed gate lets nobody in");
    demand(client_.left == 0, "an option is obeyed when it is whole");
    demand(machine_.chosen() < exports_.size(), "there is an export that was chosen");
    const auto named = client_.name();
    demand(named == exports_[machine_.chosen()].name || (named.empty() && exports_.size() == 1),
           "it is the one that the client named");
  }

  std::span<const export_info> exports_;
  bool gated_;
  std::string_view script_;
  negotiator machine_;
  client client_;
  std::string said_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  settings_of settings({data, length});
  const auto how = settings.byte();
  // All of them, or the second alone, which then is the default one too.
  const std::span all(all_exports);
  const auto exports = how % 4 == 3 ? all : all.subspan(1, how % 4);
  handshake(exports, (how & 0x10) != 0, settings.rest()).run();
  return 0;
}
