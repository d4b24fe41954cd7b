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

std::string stretched(std::string_view text, std::uint32_t unit) {
  std::string long_one;
  long_one.reserve(text.size() * unit);
  for (const char c : text) long_one.append(unit, c);
  return long_one;
}

std::optional<std::string> shrunk(std::string_view text, std::uint32_t unit) {
  if (text.size() % unit != 0) return std::nullopt;
  std::string short_one;
  for (; !text.empty(); text.remove_prefix(unit)) {
    if (text.substr(0, unit).find_first_not_of(text[0]) != text.npos) return std::nullopt;
    short_one += text[0];
  }
  return short_one;
}

link::link(rig& r, std::uint32_t unit)
    : connection_(r.connect(scripted_client().flags().go().script())), unit_(unit) {
  connection_.tape.stays = true;
  r.go(connection_);
  r.settle();
  taken_ = connection_.tape.from_server.size();
}

std::uint64_t link::send(const op& o, std::size_t index, const script& s) {
  const auto cookie = ++cookie_;
  const bool plain = o.what == op::kind::flush || o.what == op::kind::disc;
  auto message = request_message(o.fua ? scripted_client::fua : 0, command_of(o.what), cookie,
                                 plain ? 0 : s.before + std::uint64_t{o.offset} * unit_,
                                 plain ? 0 : o.length * unit_);
  if (o.what == op::kind::write) message += stretched(payload_of(o, index, s), unit_);
  requests_[cookie] = {o};
  if (o.what == op::kind::disc) {
    said_goodbye = true;
  } else {
    unanswered_.insert(cookie);
  }
  say(message);
  return cookie;
}

/// Splits a message that may be spliced in two.
void link::say(const std::string& message) {
  auto& tape = connection_.tape;
  if (tape.has_socket) {
    tape.splits.push_back(tape.to_server.size() + cookie_ * 7919 % message.size());
  }
  tape.send(message);
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
  const auto length = std::size_t{r.what.length} * unit_;
  if (rest.size() < length) return "half an answer to READ";
  const auto data = shrunk(rest.substr(0, length), unit_);
  if (!data) return "READ gives bytes that nobody wrote";
  r.data = *data;
  rest.remove_prefix(length);
  return {};
}

}  // namespace nbdstream::test
