// SPDX-License-Identifier: BSD-3-Clause
#include "support/scripted_client.hpp"

namespace nbdstream::test {
namespace {

constexpr std::string_view greeting("NBDMAGICIHAVEOPT\0\3", 18);
constexpr std::uint64_t option_reply_magic = 0x0003e889045565a9;
constexpr std::uint32_t reply_magic = 0x67446698;
constexpr std::size_t option_reply_size = 20, reply_size = 16, export_reply_size = 10;
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

bool take_answer(taker& in, transcript& out,
                 const std::map<std::uint64_t, std::uint32_t>& read_lengths) {
  if (!in.has(reply_size)) return false;
  const auto error = from_big_endian(in.rest().substr(4), 4);
  const auto cookie = from_big_endian(in.rest().substr(8), 8);
  const auto reading = read_lengths.find(cookie);
  const auto data = error == 0 && reading != read_lengths.end() ? reading->second : 0;
  if (!in.has(reply_size + data)) return false;
  if (in.number(4) != reply_magic) out.wrong = "a reply without its magic";
  in.text(reply_size - 4);
  out.answers.push_back({cookie, static_cast<std::uint32_t>(error), in.text(data)});
  return true;
}

}  // namespace

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
                                          std::uint32_t length, std::uint16_t command_flags,
                                          std::string_view payload) {
  ++cookie_;
  raw(request_message(command_flags, type, cookie_, offset, length));
  raw(payload);
  if (type == read_command) read_lengths_[cookie_] = length;
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
    while (!talking && out.wrong.empty() && take_answer(in, out, read_lengths_)) continue;
  }
  out.leftover = in.rest();
  return out;
}

}  // namespace nbdstream::test
