// SPDX-License-Identifier: BSD-3-Clause
#include "link.hpp"

#include "support/scripted_client.hpp"

#include <fmt/format.h>

namespace nbdstream::test {
namespace {

constexpr std::size_t reply_size = 16;

std::uint16_t command_of(op::kind what) {
  switch (what) {
    case op::kind::write: return scripted_client::write_command;
    case op::kind::zeroes: return scripted_client::zeroes_command;
    case op::kind::trim: return scripted_client::trim_command;
    case op::kind::read: return scripted_client::read_command;
    case op::kind::flush: return scripted_client::flush_command;
    case op::kind::disc: return scripted_client::disc_command;
  }
  return scripted_client::disc_command;
}

std::string payload_of(const op& o, std::size_t index, const script& s) {
  std::string data(o.length, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) {
    const auto at = o.offset + i;
    if (o.dirty || !s.size || at < *s.size) data[i] = payload_byte(index, at);
  }
  return data;
}

}  // namespace

link::link(rig& r) : connection_(r.connect(scripted_client().flags().go().script())) {
  connection_.tape.stays = true;
  r.go(connection_);
  r.settle();
  taken_ = connection_.tape.from_server.size();
}

std::uint64_t link::send(const op& o, std::size_t index, const script& s) {
  const auto cookie = ++cookie_;
  const bool plain = o.what == op::kind::flush || o.what == op::kind::disc;
  auto message = request_message(o.fua ? scripted_client::fua : 0, command_of(o.what), cookie,
                                 plain ? 0 : s.before + o.offset, plain ? 0 : o.length);
  if (o.what == op::kind::write) message += payload_of(o, index, s);
  requests_[cookie] = {o};
  if (o.what == op::kind::disc) {
    said_goodbye = true;
  } else {
    unanswered_.insert(cookie);
  }
  connection_.tape.send(message);
  return cookie;
}

std::string link::content_before(const script& s) {
  return std::string(s.before, s.mode == stream::order::spool ? '\0' : 'b');
}

std::uint64_t link::name_before(const script& s) {
  const auto cookie = ++cookie_;
  const bool zeroes = s.mode == stream::order::spool;
  const auto what = zeroes ? op::kind::zeroes : op::kind::write;
  auto message =
      request_message(0, command_of(what), cookie, 0, static_cast<std::uint32_t>(s.before));
  if (!zeroes) message += content_before(s);
  requests_[cookie] = {{what, 0}};
  unanswered_.insert(cookie);
  connection_.tape.send(message);
  return cookie;
}

std::string link::take_answers() {
  auto rest = std::string_view(connection_.tape.from_server).substr(taken_);
  while (!rest.empty()) {
    auto wrong = take_one(rest);
    if (!wrong.empty()) return wrong;
  }
  taken_ = connection_.tape.from_server.size();
  return {};
}

std::string link::take_one(std::string_view& rest) {
  if (rest.size() < reply_size) return "half an answer";
  if (from_big_endian(rest, 4) != 0x67446698) return "an answer without its magic";
  const auto cookie = from_big_endian(rest.substr(8), 8);
  const auto found = requests_.find(cookie);
  if (found == requests_.end()) return fmt::format("an answer to nothing: {}", cookie);
  auto& r = found->second;
  if (r.answered) return "a request is answered twice";
  r.answered = true;
  r.error = static_cast<std::uint32_t>(from_big_endian(rest.substr(4), 4));
  rest.remove_prefix(reply_size);
  unanswered_.erase(cookie);
  if (r.what.what != op::kind::read || r.error != 0) return {};
  if (rest.size() < r.what.length) return "half an answer to READ";
  r.data = rest.substr(0, r.what.length);
  rest.remove_prefix(r.what.length);
  return {};
}

}  // namespace nbdstream::test
