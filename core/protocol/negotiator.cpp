// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/negotiator.hpp"

#include <algorithm>

namespace nbdstream::protocol {
namespace {

constexpr std::size_t option_header_size = 16;
constexpr std::size_t skip_chunk = 4096;
/// Reserved bytes after the reply to NBD_OPT_EXPORT_NAME, unless the client declined them.
constexpr std::size_t export_name_padding = 124;

constexpr std::string_view tls_is_required = "this server requires TLS";

constexpr std::string_view base_namespace = "base:";
constexpr std::string_view base_allocation = "base:allocation";

struct queries {
  bool wildcard = false;    ///< one is for all of `base:`
  bool allocation = false;  ///< one is for base:allocation
  bool too_long = false;
};

/// The last of an option's data, to the end; nothing where they are malformed.
std::optional<queries> read_queries(reader in, std::uint32_t count) {
  queries found;
  // Each takes 4 bytes or more, so a count that is wrong ends this soon.
  for (std::uint32_t i = 0; i < count; ++i) {
    if (in.left() < 4) return std::nullopt;
    const auto length = in.take<std::uint32_t>();
    if (length > in.left()) return std::nullopt;
    const auto query = in.text(length);
    // Others, of whatever namespace, select nothing.
    if (query == base_namespace) found.wildcard = true;
    if (query == base_allocation) found.allocation = true;
    if (length > max_string) found.too_long = true;
  }
  if (in.left() > 0) return std::nullopt;
  return found;
}

}  // namespace

negotiator::negotiator(std::span<const export_info> exports, tls_policy tls)
    : exports_(exports), tls_(tls) {
  writer(output_)
      .put(greeting_magic)
      .put(option_magic)
      .put<std::uint16_t>(handshake_flag::fixed_newstyle | handshake_flag::no_zeroes);
}

void negotiator::receive(bytes in) {
  switch (expecting_) {
    case expecting::client_flags: return receive_client_flags(reader(in));
    case expecting::option_header: return receive_option_header(reader(in));
    case expecting::option_payload: return receive_option(in);
    case expecting::skipped_payload:
      to_skip_ -= static_cast<std::uint32_t>(in.size());
      wants_ = std::min<std::size_t>(to_skip_, skip_chunk);
      if (to_skip_ > 0) return;
      if (needs_tls_first()) {
        reply_error(option_reply::err_tls_reqd, tls_is_required);
        return expect_option();
      }
      reply_error(option_reply::err_too_big, "the option's data are too long");
      return expect_option();
  }
}

/// The most data that the option being received can have where it makes sense.
std::uint32_t negotiator::largest_payload() const noexcept {
  switch (static_cast<option>(option_)) {
    case option::list_meta_context:
    case option::set_meta_context: return max_option_payload;
    default: return 4 + max_string + 2 + 2 * 64;  // a name, and a list of what is asked
  }
}

void negotiator::receive_client_flags(reader in) {
  client_flags_ = in.take<std::uint32_t>();
  if (client_flags_ & ~(client_flag::fixed_newstyle | client_flag::no_zeroes)) {
    return violate("unknown client flags");
  }
  expect_option();
}

void negotiator::receive_option_header(reader in) {
  if (in.take<std::uint64_t>() != option_magic) return violate("no option where one was due");
  option_ = in.take<std::uint32_t>();
  const auto length = in.take<std::uint32_t>();
  // A client that lists exports asks about each of them.
  if (++options_seen_ > max_options + 4 * exports_.size()) return violate("too many options");
  if (length > max_option_payload) return violate("an option's data are far too long");
  // Without the flag, everything but EXPORT_NAME is a violation: see its description.
  if (!(client_flags_ & client_flag::fixed_newstyle) &&
      static_cast<option>(option_) != option::export_name) {
    return violate("an option that needs fixed newstyle negotiation");
  }
  // "Change the set of active metadata contexts": also where that fails.
  if (static_cast<option>(option_) == option::set_meta_context) allocation_of_.reset();
  if (length > largest_payload()) {
    if (static_cast<option>(option_) == option::export_name) return violate("name too long");
    expecting_ = expecting::skipped_payload;
    to_skip_ = length;
    wants_ = std::min<std::size_t>(to_skip_, skip_chunk);
  } else if (length > 0) {
    expecting_ = expecting::option_payload;
    wants_ = length;
  } else {
    receive_option({});
  }
}

void negotiator::expect_option() noexcept {
  expecting_ = expecting::option_header;
  wants_ = option_header_size;
}

void negotiator::receive_option(bytes payload) {
  expect_option();
  if (needs_tls_first()) {
    // This one has no way to report an error but to hang up.
    if (static_cast<option>(option_) == option::export_name) return violate(tls_is_required);
    return reply_error(option_reply::err_tls_reqd, tls_is_required);
  }
  switch (static_cast<option>(option_)) {
    case option::export_name: return export_name(payload);
    case option::abort:
      begin_reply(option_reply::ack, 0);
      state_ = state::finished;
      return;
    case option::list: return list(payload);
    case option::starttls: return starttls(payload);
    case option::info:
    case option::go: return info_or_go(payload);
    case option::structured_reply: return agree_on(form::structured, payload);
    case option::extended_headers: return agree_on(form::extended, payload);
    case option::list_meta_context: return list_meta_context(payload);
    case option::set_meta_context: return set_meta_context(payload);
    default: return reply_error(option_reply::err_unsup, "this option is not supported");
  }
}

bool negotiator::needs_tls_first() const noexcept {
  const auto asked = static_cast<option>(option_);
  return tls_ == tls_policy::require && !secured_ && asked != option::starttls &&
         asked != option::abort;
}

void negotiator::starttls(bytes payload) {
  if (!payload.empty()) return reply_error(option_reply::err_invalid, "STARTTLS takes no data");
  if (secured_) return reply_error(option_reply::err_invalid, "TLS is there already");
  if (tls_ == tls_policy::off) return reply_error(option_reply::err_policy, "TLS is not enabled");
  begin_reply(option_reply::ack, 0);
  state_ = state::starttls;
}

void negotiator::secured() {
  // A new one: so nothing that was said in the clear, by whomever, can be left over. That the
  // client knows fixed newstyle stays true, and its options still count.
  negotiator fresh(exports_, tls_);
  fresh.output_.clear();
  fresh.secured_ = true;
  fresh.client_flags_ = client_flags_;
  fresh.options_seen_ = options_seen_;
  fresh.expect_option();
  *this = std::move(fresh);
}

void negotiator::export_name(bytes payload) {
  if (payload.size() > max_string) return violate("name too long");
  // This option has no way to report an error but to hang up.
  if (gate_) return violate("refused: no export can be had now");
  if (reply_form_ == form::extended)
    return violate("an option that cannot follow extended headers");
  const auto found = find(reader(payload).text(payload.size()));
  if (!found) return violate("unknown export");
  chosen_ = *found;
  writer(output_).put(agreed().size).put(agreed().flags);
  if (!(client_flags_ & client_flag::no_zeroes)) writer(output_).zeroes(export_name_padding);
  state_ = state::transmission;
}

void negotiator::list(bytes payload) {
  if (!payload.empty()) return reply_error(option_reply::err_invalid, "LIST takes no data");
  if (gate_) return reply_error(gate_->reply, gate_->text);
  for (const auto& e : exports_) {
    begin_reply(option_reply::server, 4 + e.name.size() + e.description.size())
        .put(static_cast<std::uint32_t>(e.name.size()))
        .text(e.name)
        .text(e.description);
  }
  begin_reply(option_reply::ack, 0);
}

void negotiator::info_or_go(bytes payload) {
  const auto malformed = [this] { reply_error(option_reply::err_invalid, "malformed data"); };
  reader in(payload);
  if (in.left() < 6) return malformed();
  const auto name_length = in.take<std::uint32_t>();
  if (name_length > in.left() - 2) return malformed();
  if (name_length > max_string) return reply_error(option_reply::err_too_big, "name too long");
  const auto name = in.text(name_length);
  const std::size_t count = in.take<std::uint16_t>();
  if (in.left() != 2 * count) return malformed();
  std::vector<std::uint16_t> asked(count);
  for (auto& type : asked) type = in.take<std::uint16_t>();

  if (gate_) return reply_error(gate_->reply, gate_->text);
  const auto found = find(name);
  if (!found) return refuse_name(name);
  describe(*found, asked);
  begin_reply(option_reply::ack, 0);
  if (static_cast<option>(option_) == option::go) {
    chosen_ = *found;
    state_ = state::transmission;
  }
}

void negotiator::agree_on(form wanted, bytes payload) {
  if (!payload.empty()) return reply_error(option_reply::err_invalid, "this option takes no data");
  if (reply_form_ == form::extended && wanted == form::structured) {
    return reply_error(option_reply::err_ext_header_reqd, "extended headers were agreed on");
  }
  reply_form_ = wanted;
  begin_reply(option_reply::ack, 0);
}

terms negotiator::terms_for(std::size_t index) const noexcept {
  const auto& e = exports_[index];
  terms t{e.size, e.flags, reply_form_, allocation_of_ == index};
  if (reply_form_ != form::simple) t.flags |= transmission_flag::send_df;
  if (reply_form_ == form::extended && t.allocation)
    t.flags |= transmission_flag::block_status_payload;
  return t;
}

void negotiator::describe(std::size_t index, std::span<const std::uint16_t> asked) {
  const auto& e = exports_[index];
  const auto wanted = [&](info_type type) {
    return std::ranges::find(asked, static_cast<std::uint16_t>(type)) != asked.end();
  };
  begin_reply(option_reply::info, 12)
      .put(static_cast<std::uint16_t>(info_type::export_))
      .put(e.size)
      .put(terms_for(index).flags);
  if (wanted(info_type::block_size)) {
    begin_reply(option_reply::info, 14)
        .put(static_cast<std::uint16_t>(info_type::block_size))
        .put(min_block)
        .put(preferred_block)
        .put(max_payload);
  }
  if (wanted(info_type::name)) {
    begin_reply(option_reply::info, 2 + e.name.size())
        .put(static_cast<std::uint16_t>(info_type::name))
        .text(e.name);
  }
  if (wanted(info_type::description) && !e.description.empty()) {
    begin_reply(option_reply::info, 2 + e.description.size())
        .put(static_cast<std::uint16_t>(info_type::description))
        .text(e.description);
  }
}

std::optional<std::size_t> negotiator::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find(exports_, name, &export_info::name);
  if (at != exports_.end()) return static_cast<std::size_t>(at - exports_.begin());
  // The empty name stands for the default export, which goes without saying where there is one.
  if (name.empty() && exports_.size() == 1) return 0;
  return std::nullopt;
}

writer negotiator::begin_reply(option_reply type, std::size_t length) {
  return writer(output_)
      .put(option_reply_magic)
      .put(option_)
      .put(static_cast<std::uint32_t>(type))
      .put(static_cast<std::uint32_t>(length));
}

// Within bounds, and as ASCII on one line, since the peer can send anything.
void negotiator::refuse_name(std::string_view name) {
  constexpr std::size_t shown = 64;
  std::string text = "there is no export \"";
  for (const char c : name.substr(0, shown)) text += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  reply_error(option_reply::err_unknown, text += name.size() > shown ? "...\"" : "\"");
}

void negotiator::reply_error(option_reply type, std::string_view text) {
  begin_reply(type, text.size()).text(text);
}

void negotiator::violate(std::string_view why) noexcept {
  state_ = state::violated;
  why_ = why;
}

/// The data of both options, which are alike; answers what is wrong with them.
std::optional<negotiator::meta_question> negotiator::read_meta_question(bytes payload) {
  const auto refuse = [this](option_reply type, std::string_view text) {
    reply_error(type, text);
    return std::nullopt;
  };
  constexpr std::string_view malformed = "malformed data";
  if (reply_form_ == form::simple) {
    return refuse(option_reply::err_invalid, "structured replies must be agreed on first");
  }
  reader in(payload);
  if (in.left() < 4 + 4) return refuse(option_reply::err_invalid, malformed);
  const auto name_length = in.take<std::uint32_t>();
  if (name_length > in.left() - 4) return refuse(option_reply::err_invalid, malformed);
  const auto name = in.text(name_length);
  const auto count = in.take<std::uint32_t>();
  const auto asked = read_queries(in, count);
  if (!asked) return refuse(option_reply::err_invalid, malformed);
  if (name_length > max_string || asked->too_long) {
    return refuse(option_reply::err_too_big, "a name or a query is too long");
  }
  if (count > max_queries) return refuse(option_reply::err_too_big, "too many queries");
  if (gate_) return refuse(gate_->reply, gate_->text);
  const auto found = find(name);
  if (!found) {
    refuse_name(name);
    return std::nullopt;
  }
  const bool all = count == 0 || asked->wildcard;
  return meta_question{*found, all, asked->allocation};
}

void negotiator::list_meta_context(bytes payload) {
  const auto asked = read_meta_question(payload);
  if (!asked) return;
  // "SHOULD be set to zero": only one that was chosen has a number.
  if (asked->all || asked->allocation) reply_allocation(0);
  begin_reply(option_reply::ack, 0);
}

void negotiator::set_meta_context(bytes payload) {
  const auto asked = read_meta_question(payload);
  if (!asked) return;
  if (asked->allocation) {
    allocation_of_ = asked->of;
    reply_allocation(allocation_context);
  }
  begin_reply(option_reply::ack, 0);
}

void negotiator::reply_allocation(std::uint32_t id) {
  begin_reply(option_reply::meta_context, 4 + base_allocation.size()).put(id).text(base_allocation);
}

}  // namespace nbdstream::protocol
