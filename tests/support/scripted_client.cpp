// SPDX-License-Identifier: BSD-3-Clause
#include "support/scripted_client.hpp"

namespace nbdstream::test {
namespace {

constexpr std::string_view greeting("NBDMAGICIHAVEOPT\0\3", 18);
constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
constexpr std::uint32_t reply_magic = 0x67446698, structured_magic = 0x668e33ef,
                        extended_magic = 0x6e8a278c;
constexpr std::size_t option_reply_size = 20, reply_size = 16, export_reply_size = 10,
                      structured_size = 20, extended_size = 32;
constexpr std::uint16_t done_flag = 1, data_chunk = 1, hole_chunk = 2, error_bit = 0x8000;
constexpr std::uint32_t go_option = 7, acknowledged = 1;

/// Takes messages off the front of what a server said.
class taker {
 public:
  explicit taker(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool has(std::size_t count) const { return rest_.size() >= count; }
  std::uint64_t number(int size) {
    const auto value = from_big_endian(rest_, size);
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return value;
  }
  std::string text(std::size_t length) {
    std::string taken(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// One reply to an option; false where it is not whole.
bool take_option(taker& in, transcript& out) {
  if (!in.has(option_reply_size)) return false;
  if (from_big_endian(in.rest().substr(16), 4) > in.rest().size() - option_reply_size) return false;
  if (in.number(8) != option_reply_magic) out.wrong = "an option reply without its magic";
  option_answer a;
  a.option = static_cast<std::uint32_t>(in.number(4));
  a.type = static_cast<std::uint32_t>(in.number(4));
  a.data = in.text(in.number(4));
  out.options.push_back(a);
  return true;
}

}  // namespace

/// Takes answers of the transmission phase, of any form.
class answer_taker {
 public:
  answer_taker(const scripted_client& of, taker& in, transcript& out)
      : of_(of), in_(in), out_(out) {}

  /// One message; false where it is not whole.
  bool take() {
    if (!in_.has(4)) return false;
    switch (from_big_endian(in_.rest(), 4)) {
      case reply_magic: return take_simple();
      case structured_magic: return take_chunk(form::structured, structured_size);
      case extended_magic: return take_chunk(form::extended, extended_size);
      default: out_.wrong = "a reply without its magic"; return false;
    }
  }

 private:
  using form = scripted_client::form;

  bool take_simple() {
    if (!in_.has(reply_size)) return false;
    const auto error = from_big_endian(in_.rest().substr(4), 4);
    const auto cookie = from_big_endian(in_.rest().substr(8), 8);
    const auto asked = of_.asked_.find(cookie);
    const bool reading =
        asked != of_.asked_.end() && asked->second.type == scripted_client::read_command;
    const auto data = error == 0 && reading ? asked->second.length : 0;
    if (!in_.has(reply_size + data)) return false;
    if (of_.form_ == form::extended) out_.wrong = "a simple reply beside extended headers";
    if (of_.form_ == form::structured && reading) out_.wrong = "a simple reply to READ";
    in_.text(reply_size);
    out_.answers.push_back({cookie, static_cast<std::uint32_t>(error), in_.text(data), {}});
    return true;
  }

  bool take_chunk(form f, std::size_t header) {
    if (!in_.has(header)) return false;
    const int length_size = f == form::extended ? 8 : 4;
    const auto length = from_big_endian(
        in_.rest().substr(header - static_cast<std::size_t>(length_size)), length_size);
    if (!in_.has(header + length)) return false;
    if (f != of_.form_) out_.wrong = "a chunk of a form that was not agreed on";
    in_.number(4);
    chunk c;
    c.flags = static_cast<std::uint16_t>(in_.number(2));
    c.type = static_cast<std::uint16_t>(in_.number(2));
    c.cookie = in_.number(8);
    if (f == form::extended) {
      const auto offset = in_.number(8);
      const auto asked = of_.asked_.find(c.cookie);
      if (asked == of_.asked_.end() || asked->second.offset != offset) {
        out_.wrong = "not the offset of the request";
      }
    }
    in_.number(length_size);
    c.payload = in_.text(length);
    out_.chunks.push_back(c);
    assemble(c);
    return true;
  }

  void assemble(const chunk& c) {
    auto& a = open_.try_emplace(c.cookie, answer{c.cookie, 0, {}, {}}).first->second;
    const std::string_view payload = c.payload;
    if (c.type & error_bit) {
      a.error = static_cast<std::uint32_t>(from_big_endian(payload, 4));
      a.text = payload.substr(6, from_big_endian(payload.substr(4), 2));
    } else if (c.type == data_chunk) {
      a.data += payload.substr(8);
    } else if (c.type == hole_chunk) {
      a.data += std::string(from_big_endian(payload.substr(8), 4), '\0');
    }
    if (!(c.flags & done_flag)) return;
    out_.answers.push_back(a);
    open_.erase(c.cookie);
  }

  const scripted_client& of_;
  taker& in_;
  transcript& out_;
  std::map<std::uint64_t, answer> open_;  ///< by cookie
};

std::string big_endian(std::uint64_t value, int size) {
  std::string text;
  for (int i = size - 1; i >= 0; --i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

std::uint64_t from_big_endian(std::string_view text, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(text.at(static_cast<std::size_t>(i)));
  }
  return value;
}

std::string option_message(std::uint32_t option, std::string_view data) {
  return "IHAVEOPT" + big_endian(option, 4) + big_endian(data.size(), 4) + std::string(data);
}

std::string info_data(std::string_view name, const std::vector<std::uint16_t>& wanted) {
  auto data = big_endian(name.size(), 4) + std::string(name) + big_endian(wanted.size(), 2);
  for (const auto type : wanted) data += big_endian(type, 2);
  return data;
}

std::string request_message(std::uint16_t flags, std::uint16_t type, std::uint64_t cookie,
                            std::uint64_t offset, std::uint32_t length) {
  return big_endian(0x25609513, 4) + big_endian(flags, 2) + big_endian(type, 2) +
         big_endian(cookie, 8) + big_endian(offset, 8) + big_endian(length, 4);
}

std::string extended_request(std::uint16_t flags, std::uint16_t type, std::uint64_t cookie,
                             std::uint64_t offset, std::uint64_t length) {
  return big_endian(0x21e41c71, 4) + big_endian(flags, 2) + big_endian(type, 2) +
         big_endian(cookie, 8) + big_endian(offset, 8) + big_endian(length, 8);
}

std::string meta_data(std::string_view name, const std::vector<std::string>& queries) {
  auto data = big_endian(name.size(), 4) + std::string(name) + big_endian(queries.size(), 4);
  for (const auto& q : queries) data += big_endian(q.size(), 4) + q;
  return data;
}

scripted_client& scripted_client::structured() {
  form_ = form::structured;
  return option(8);
}

scripted_client& scripted_client::extended() {
  form_ = form::extended;
  return option(11);
}

scripted_client& scripted_client::allocation(std::string_view name) {
  return option(10, meta_data(name, {"base:allocation"}));
}

scripted_client& scripted_client::flags(std::uint32_t client_flags) {
  no_zeroes_ = client_flags & 2;
  return raw(big_endian(client_flags, 4));
}

scripted_client& scripted_client::option(std::uint32_t number, std::string_view data) {
  return raw(option_message(number, data));
}

scripted_client& scripted_client::go(std::string_view name) {
  return option(go_option, info_data(name));
}

scripted_client& scripted_client::export_name(std::string_view name) {
  by_name_ = true;
  return option(1, name);
}

scripted_client& scripted_client::request(std::uint16_t type, std::uint64_t offset,
                                          std::uint64_t length, std::uint16_t command_flags,
                                          std::string_view payload) {
  ++cookie_;
  if (form_ == form::extended) {
    const auto carries = payload.empty() ? std::uint16_t{0} : payload_len;
    const auto flags = static_cast<std::uint16_t>(command_flags | carries);
    raw(extended_request(flags, type, cookie_, offset, length));
  } else {
    raw(request_message(command_flags, type, cookie_, offset, static_cast<std::uint32_t>(length)));
  }
  raw(payload);
  asked_[cookie_] = {type, offset, length};
  if (type != disc_command) ends_[cookie_] = script_.size();
  return *this;
}

scripted_client& scripted_client::raw(std::string_view bytes) {
  script_ += bytes;
  return *this;
}

transcript scripted_client::parse(std::string_view output) const {
  transcript out;
  taker in(output);
  if (in.has(greeting.size())) {
    out.greeted = in.text(greeting.size()) == greeting;
    if (!out.greeted) out.wrong = "not the greeting";
    bool talking = true;
    while (talking && !by_name_ && take_option(in, out)) {
      const auto& last = out.options.back();
      talking = !(last.option == go_option && last.type == acknowledged);
    }
    const auto padded = export_reply_size + (no_zeroes_ ? 0 : 124);
    if (by_name_ && in.has(padded)) {
      out.export_reply = in.text(padded);
      talking = false;
    }
    answer_taker answers(*this, in, out);
    while (!talking && out.wrong.empty() && answers.take()) continue;
  }
  out.leftover = in.rest();
  return out;
}

}  // namespace nbdstream::test
