// SPDX-License-Identifier: BSD-3-Clause
//
// The only file that has Boost.Beast in it: its parser is all that is used of it.
#include "control/message_reader.hpp"

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <utility>

namespace nbdstream::control {

namespace http = boost::beast::http;

struct message_reader::parser {
  parser() {
    it.header_limit(longest_header);
    it.body_limit(longest_body);
    // It stops after the header, which decides whether the body is read.
    it.eager(false);
  }
  http::request_parser<http::string_body> it;
};

message_reader::message_reader() : parser_(std::make_unique<parser>()) {}
message_reader::~message_reader() = default;
message_reader::message_reader(message_reader&&) noexcept = default;

message_reader::state message_reader::feed(std::string_view bytes) {
  if (state_ != state::more) return state_;
  unparsed_ += bytes;
  parse();
  return state_;
}

void message_reader::parse() {
  begun_ = begun_ || !unparsed_.empty();
  while (!unparsed_.empty() && !parser_->it.is_done()) {
    boost::system::error_code failed;
    const auto used = parser_->it.put(boost::asio::buffer(unparsed_), failed);
    const bool in_first_line = unparsed_.find("\r\n") >= longest_header;
    unparsed_.erase(0, used);
    if (failed == http::error::need_more) break;
    if (failed == http::error::header_limit) {
      return fail_with_header_too_large(in_first_line && used == 0);
    }
    if (failed == http::error::body_limit) {
      return fail(413, fmt::format("the body has more than {} bytes", longest_body));
    }
    if (failed) return fail(400, fmt::format("this is no request of HTTP/1: {}", failed.message()));
    if (has_transfer_encoding()) {
      return fail(411, "the body has a Transfer-Encoding; send it with a Content-Length");
    }
  }
  if (parser_->it.is_done()) state_ = state::complete;
}

/// RFC 9112, 6.3: a server may ask for a Content-Length. The parser ends the process with a failed
/// assertion on some chunked bodies, where assertions are compiled in (Boost 1.74).
bool message_reader::has_transfer_encoding() const {
  const auto& p = parser_->it;
  return p.is_header_done() && p.get().count(http::field::transfer_encoding) > 0;
}

void message_reader::fail(unsigned status, const std::string& sentence) {
  state_ = state::broken;
  refusal_ = refuse(status, sentence);
  unparsed_.clear();
}

void message_reader::fail_with_header_too_large(bool in_first_line) {
  fail(in_first_line ? 414 : 431,
       fmt::format("{} has more than {} bytes", in_first_line ? "the request line" : "the header",
                   longest_header));
}

bool message_reader::asks_to_continue() {
  const auto& p = parser_->it;
  if (asked_to_continue_ || state_ != state::more || !p.is_header_done()) return false;
  asked_to_continue_ = true;
  return boost::beast::iequals(p.get()[http::field::expect], "100-continue");
}

request message_reader::take() {
  const bool keep_alive = parser_->it.keep_alive();
  auto message = parser_->it.release();
  const auto field = [&](http::field name) { return std::string(message[name]); };
  request r;
  r.method = message.method_string();
  r.target = message.target();
  r.host = field(http::field::host);
  r.accept = field(http::field::accept);
  r.content_type = field(http::field::content_type);
  r.origin = field(http::field::origin);
  r.body = std::move(message.body());
  r.http_1_0 = message.version() < 11;
  r.keep_alive = keep_alive;
  parser_ = std::make_unique<parser>();
  state_ = state::more;
  begun_ = asked_to_continue_ = false;
  parse();
  return r;
}

}  // namespace nbdstream::control
