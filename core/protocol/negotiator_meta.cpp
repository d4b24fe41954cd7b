// SPDX-License-Identifier: BSD-3-Clause
//
// The options about metadata contexts ("Metadata querying"), of which there is base:allocation.
#include "protocol/negotiator.hpp"

namespace nbdstream::protocol {
namespace {

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

/// The data of both options, which are alike; answers what is wrong with them.
std::optional<negotiator::meta_question> negotiator::read_meta_question(bytes payload) {
  const auto refuse = [this](option_reply type, std::string_view text) {
    reply_error(type, text);
    return std::nullopt;
  };
  constexpr std::string_view malformed = "malformed data";
  if (said_ == form::simple) {
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
