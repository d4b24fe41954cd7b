// SPDX-License-Identifier: BSD-3-Clause
#include "control/request.hpp"

#include "log/json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>
#include <string_view>

namespace nbdstream::control {
namespace {

std::string_view phrase(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "Answer";
  }
}

/// What every answer says. Nothing of it is to be kept, or taken for something else.
std::string begin_header(unsigned status, std::string_view content_type) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\n"
      "Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n"
      "Server: nbdstream\r\n"
      "Content-Type: {}\r\n"
      "Cache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n",
      status, phrase(status), fmt::gmtime(std::time(nullptr)), content_type);
}

}  // namespace

answer refuse(unsigned status, const std::string& sentence) {
  answer a;
  a.status = status;
  a.body = "{\"error\": \"";
  log::append_json(a.body, sentence);
  a.body += "\"}\n";
  return a;
}

std::string render_header(const answer& a, bool keep_alive) {
  auto text = begin_header(a.status, a.content_type);
  auto out = std::back_inserter(text);
  if (!a.allow.empty()) fmt::format_to(out, "Allow: {}\r\n", a.allow);
  if (!a.policy.empty()) {
    fmt::format_to(out,
                   "Content-Security-Policy: {}\r\n"
                   "Referrer-Policy: no-referrer\r\n",
                   a.policy);
  }
  fmt::format_to(out, "Content-Length: {}\r\nConnection: {}\r\n\r\n", a.body.size(),
                 keep_alive ? "keep-alive" : "close");
  return text;
}

std::string render_event_header() {
  return begin_header(200, "text/event-stream") + "Connection: close\r\n\r\n";
}

}  // namespace nbdstream::control
