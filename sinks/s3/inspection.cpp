// SPDX-License-Identifier: BSD-3-Clause
#include "inspection.hpp"

#include <cerrno>
#include <ctime>
#include <nbdstream/sink.hpp>

namespace nbdstream::s3 {
namespace {

/// The thread of the host, before it serves anybody.
class beforehand final : public errand {
 public:
  explicit beforehand(const std::string& ca_file) : net_(ca_file) {}

  exchange perform(const http_request& request) override {
    return net_.perform(request, [](bool) { return false; });
  }
  [[nodiscard]] bool stopped() const override { return false; }
  void rest(duration) override {}
  void slow_down() override {}
  double chance() override { return 0; }

 private:
  transport net_;
};

/// For a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string endpoint_of(const client& by) {
  const endpoint at = by.how().at;
  return " --endpoint-url " + at.scheme + "://" + at.authority + at.path;
}

}  // namespace

std::optional<std::string> inspect(client& by) {
  const settings& s = by.configuration();
  const bool differs = has_placeholders(s.name.key);
  auto target = std::make_shared<object>();
  // The key of no stream, perhaps, but of the same bucket.
  target->key = differs ? expand_key(s.name.key, "-", 0, std::time(nullptr)) : s.name.key;
  job look;
  look.what = operation::probe;
  look.target = target;
  beforehand now(s.ca_file);
  const outcome seen = by.run(now, look);
  switch (seen.what) {
    case outcome::kind::absent: return {};
    case outcome::kind::done:
      if (differs || s.overwrite) return {};
      throw sink_error(EEXIST,
                       s.object_url(target->key) +
                           " exists: give another key, or replace it with `overwrite=true`");
    case outcome::kind::forbidden:
    case outcome::kind::doubtful:
      return seen.why.text + "; whether a stream can be sent there is not known before it is there";
    default: throw sink_error(seen.why.error, seen.why.text);
  }
}

std::string command_that_lists_uploads(const client& by, const std::string& key) {
  return "`aws s3api list-multipart-uploads --bucket " + quoted(by.configuration().name.bucket) +
         " --prefix " + quoted(key) + endpoint_of(by) + "`";
}

std::string describe_leftover(const client& by, const std::string& key,
                              const std::string& upload_id, const std::string& why, bool over) {
  const settings& s = by.configuration();
  std::string out = s.object_url(key) + ": the abort of the upload " +
                    (over ? "has failed" : "is not confirmed yet");
  if (!why.empty()) out += " (" + why + ")";
  if (upload_id.empty())
    return out + "; see what is left with " + command_that_lists_uploads(by, key);
  return out + (over ? "; remove it" : "; if it stays there, remove it") +
         " with `aws s3api abort-multipart-upload --bucket " + quoted(s.name.bucket) + " --key " +
         quoted(key) + " --upload-id " + quoted(upload_id) + endpoint_of(by) + "`";
}

}  // namespace nbdstream::s3
