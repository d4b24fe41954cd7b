// SPDX-License-Identifier: BSD-3-Clause
#include "status/page.hpp"

#include "status/in_words.hpp"
#include "status/page_parts.hpp"
#include "status/page_rows.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace nbdstream::status {
namespace {

void add_link(html& out, const process& p) {
  out.add("As of ");
  add_time(out, p.now);
}

void add_facts(html& out, const process& p) {
  out.add("<div><dt>Version</dt> <dd>").text(p.version);
  out.add("</dd></div>\n<div><dt>Process</dt> <dd>").text(std::to_string(p.id));
  out.add("</dd></div>\n<div><dt>Running for</dt> <dd id=\"uptime\">");
  out.text(time_in_words(p.now - p.began));
  out.add("</dd></div>\n<div><dt>Clients</dt> <dd id=\"clients\">").number(p.connections.size());
  out.add("</dd></div>");
}

void add_notice(html& out, const process& p) {
  if (p.stopping) out.add("It is stopping: no client is let in any more.");
}

/// All states, as people read them, for the script.
void add_words(html& out, const process&) {
  for (int i = 0; i <= static_cast<int>(state::ended); ++i) {
    const auto s = static_cast<state>(i);
    out.add("<li data-word=\"").text(word_for(s)).add("\">").text(name_of(s)).add("</li>");
  }
}

struct part {
  std::string_view name;
  void (*add)(html&, const process&);
};
constexpr std::array parts{part{"link", add_link},         part{"facts", add_facts},
                           part{"notice", add_notice},     part{"exports", add_exports},
                           part{"outcomes", add_outcomes}, part{"words", add_words}};

/// What stands in page.html instead of <!--NAME-->.
void add_part(std::string& out, std::string_view name, const process& p) {
  if (name == "style") out += page_style;
  if (name == "script") out += page_script;
  for (const auto& [known, add] : parts) {
    if (known != name) continue;
    html h;
    add(h, p);
    out += h.str();
  }
}

/// As a browser names it in a policy.
std::string digest_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-256, which the page needs");
  }
  std::array<unsigned char, std::size_t{2} * EVP_MAX_MD_SIZE> base64{};
  const auto length = EVP_EncodeBlock(base64.data(), hash.data(), static_cast<int>(size));
  return "'sha256-" + std::string(base64.begin(), base64.begin() + length) + "'";
}

}  // namespace

std::string page(const process& p) {
  constexpr std::string_view begin = "<!--", end = "-->";
  std::string out;
  std::string_view rest = page_html;
  for (auto at = rest.find(begin); at != rest.npos; at = rest.find(begin)) {
    out += rest.substr(0, at);
    rest.remove_prefix(at + begin.size());
    const auto length = rest.find(end);
    add_part(out, rest.substr(0, length), p);
    rest.remove_prefix(std::min(rest.size(), length + end.size()));
  }
  out += rest;
  return out;
}

std::string_view page_policy() {
  static const std::string policy =
      "default-src 'none'; style-src " + digest_of(page_style) + "; script-src " +
      digest_of(page_script) +
      "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
  return policy;
}

}  // namespace nbdstream::status
