// SPDX-License-Identifier: BSD-3-Clause
//
// How long the pieces are (1 byte), the place (1), and what a peer of the control server sends:
// requests are found alike in pieces and at once, nothing has more than it may have, and whatever
// is asked for is something that may be asked for there.
#include "config/text.hpp"
#include "control/message_reader.hpp"
#include "control/route.hpp"
#include "fuzz/demand.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace nbdstream;
using namespace nbdstream::control;
using test::demand;
using state = message_reader::state;

const std::vector<std::string> exports{"", "vm1", "a/b c"};

void expect_permitted(const action& a, const request& r, place where) {
  const bool changes = a.what == action::kind::commit || a.what == action::kind::abort ||
                       a.what == action::kind::stop;
  demand(!changes || where == place::control, "TCP only reads");
  demand(!changes || r.method == "POST", "only POST changes something");
  demand(changes || r.method == "GET" || r.method == "HEAD", "only GET and HEAD read");
  demand(a.without_body == (r.method == "HEAD"), "HEAD has no body");
  demand(!a.waits() || std::ranges::count(exports, a.export_name) == 1, "the export is there");
  demand(a.reason.size() <= longest_reason && config::valid_utf8(a.reason), "a reason is a text");
}

void expect_refusal(const answer& a) {
  demand(a.status >= 400 && a.status < 500, "a refusal is the peer's own fault");
  demand(a.body.starts_with("{\"error\": \"") && config::valid_utf8(a.body), "it says why");
  demand((a.status == 405) == !a.allow.empty(), "405 says what is allowed");
  const auto header = render_header(a, true);
  demand(header.ends_with("\r\n\r\n") && header.find("\r\n\r\n") == header.size() - 4,
         "nothing of the peer's ends the header");
}

void expect_routed(const request& r, place where) {
  demand(r.method.size() + r.target.size() + r.host.size() <= longest_header, "a header is short");
  demand(r.body.size() <= longest_body, "a body is short");
  const auto decision = route(r, {.where = where, .host = "backup.example", .exports = exports});
  if (const auto* const a = std::get_if<action>(&decision)) {
    expect_permitted(*a, r, where);
  } else {
    expect_refusal(std::get<answer>(decision));
  }
}

/// All requests in `bytes`, one line each. What is none is refused at the latest at the end of its
/// header: where it comes in pieces that may be later than at once.
std::string read_all(std::string_view bytes, std::size_t piece, place where) {
  message_reader reader;
  std::string story;
  while (reader.current() != state::broken) {
    while (reader.current() == state::complete) {
      const auto r = reader.take();
      expect_routed(r, where);
      story += r.method + ' ' + r.target + ' ' + r.body + '\n';
    }
    if (reader.current() == state::broken || bytes.empty()) break;
    reader.feed(bytes.substr(0, piece));
    static_cast<void>(reader.asks_to_continue());
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  if (reader.current() == state::broken) expect_refusal(reader.refusal());
  return story;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t length) {
  test::settings_of settings({data, length});
  const std::size_t piece = settings.byte() + std::size_t{1};
  const auto where = settings.byte() % 2 == 0 ? place::control : place::metrics;
  const auto bytes = settings.rest();
  const auto in_pieces = read_all(bytes, piece, where);
  const auto at_once = read_all(bytes, std::max<std::size_t>(bytes.size(), 1), where);
  demand(in_pieces == at_once, "requests are the same however they are cut");
  return 0;
}
