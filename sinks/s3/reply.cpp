// SPDX-License-Identifier: BSD-3-Clause
#include "reply.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace nbdstream::s3 {
namespace {

constexpr std::string_view root = "CompleteMultipartUpload";

/// A server's word, if it is one: it goes into the log.
std::string word(std::string_view text) {
  const bool harmless = text.size() <= 128 && std::ranges::all_of(text, [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                 (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' ||
                                 c == '/' || c == '+' || c == '=';
                        });
  return harmless ? std::string(text) : std::string();
}

std::string with_entities_resolved(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 8> entities{{{"&quot;", '"'},
                                                                       {"&#34;", '"'},
                                                                       {"&#x22;", '"'},
                                                                       {"&amp;", '&'},
                                                                       {"&lt;", '<'},
                                                                       {"&gt;", '>'},
                                                                       {"&apos;", '\''},
                                                                       {"&#39;", '\''}}};
  std::string out;
  while (!text.empty()) {
    const auto known = std::ranges::find_if(
        entities, [&](const auto& entity) { return text.starts_with(entity.first); });
    out += known == entities.end() ? text.front() : known->second;
    text.remove_prefix(known == entities.end() ? 1 : known->first.size());
  }
  return out;
}

struct meaning {
  std::string_view code;
  verdict what;
  int error;
  std::string_view sentence;
};

constexpr verdict again = verdict::again, refused = verdict::refused;

// Sentences of our own, since not every server has one: those of Ceph's gateway are empty.
constexpr std::array meanings{std::to_array<meaning>({
    {"AccessDenied", refused, EACCES,
     "access is denied: a policy must allow this access key the request"},
    {"SignatureDoesNotMatch", refused, EACCES,
     "the signature is wrong: check the secret access key, and the region"},
    {"InvalidAccessKeyId", refused, EACCES, "this access key is not known there"},
    {"NoSuchBucket", refused, ENOENT, "there is no such bucket"},
    {"NoSuchKey", verdict::absent, ENOENT, "there is no such object"},
    {"NoSuchUpload", verdict::absent, EIO,
     "the multipart upload is gone: a request or a lifecycle rule aborted it"},
    {"EntityTooLarge", refused, EFBIG, "it is too large for the server: give a smaller part-size"},
    {"EntityTooSmall", refused, EINVAL,
     "a part is too small for the server: give a larger part-size"},
    {"InvalidPart", refused, EIO, "the server has lost a part that it had acknowledged"},
    {"QuotaExceeded", refused, EDQUOT, "the quota of the user or the bucket is exceeded"},
    {"XMinioStorageFull", refused, ENOSPC, "the server's disks are full"},
    {"PreconditionFailed", verdict::exists, EEXIST, "an object is there already"},
    {"InvalidObjectState", refused, EIO,
     "it is in an archive: it must be restored there before it can be read"},
    {"ConditionalRequestConflict", verdict::conflict, EEXIST,
     "another client writes the same object at the same time"},
    {"RequestTimeTooSkewed", verdict::skewed, EACCES, "our clock and the server's differ too much"},
    {"ExpiredToken", verdict::expired, EACCES,
     "the credentials have expired, and there are no newer ones"},
    {"TokenRefreshRequired", verdict::expired, EACCES,
     "the credentials must be renewed, and there are no newer ones"},
    {"InvalidToken", verdict::expired, EACCES, "the session token is not valid"},
    {"RequestTimeout", again, ETIMEDOUT, "the server has waited for our bytes for too long"},
    {"BadDigest", verdict::corrupt, EIO, "the bytes did not arrive as they were sent"},
    {"XAmzContentSHA256Mismatch", verdict::corrupt, EIO,
     "the bytes did not arrive as they were sent"},
    {"IncompleteBody", verdict::corrupt, EIO, "not all bytes have arrived"},
    {"SlowDown", verdict::slow_down, EBUSY, "the server has too much to do"},
})};

constexpr std::string_view another_object = "another object has replaced it";

meaning precondition_failed(operation what) noexcept {
  if (what == operation::get) return {"", refused, ESTALE, another_object};
  return {"", verdict::exists, EEXIST, "an object is there already"};
}

/// What a status means of which no more is known.
meaning of_status(operation what, int status) {
  const bool looks = what == operation::look || what == operation::probe;
  if (status >= 200 && status < 300) return {"", verdict::good, 0, ""};
  if (status >= 300 && status < 400)
    return {"", verdict::elsewhere, EREMOTE, "the bucket is at another address"};
  switch (status) {
    case 400:  // where a reply has no body, it is how AWS says that credentials have expired
      if (what == operation::look)
        return {"", verdict::expired, EINVAL, "the server does not take the request"};
      break;
    case 401: return {"", refused, EACCES, "the server wants other credentials"};
    case 403:
      return {"", looks ? verdict::forbidden : refused, EACCES, "the server does not allow it"};
    case 404:
      if (looks || what == operation::get || what == operation::remove)
        return {"", verdict::absent, ENOENT, "there is no such object"};
      return {"", refused, ENOENT, "there is no such thing"};
    case 501:
      if (what == operation::put || what == operation::complete)
        return {"", verdict::unconditional, ENOTSUP, "the server cannot do this"};
      [[fallthrough]];
    case 405:
      return {"", looks ? verdict::forbidden : refused, ENOTSUP, "the server cannot do this"};
    case 408: return {"", again, ETIMEDOUT, "the server has waited for too long"};
    case 409:
      return {"", what == operation::put || what == operation::complete ? verdict::conflict : again,
              EEXIST, "another client works on the same object"};
    case 412: return precondition_failed(what);
    case 416:
      if (looks) return {"", verdict::good, 0, ""};  // of an empty object
      if (what == operation::get) return precondition_failed(what);
      break;
    case 413:
      return {"", refused, EFBIG, "it is too large for the server: give a smaller part-size"};
    case 429:
    case 503: return {"", verdict::slow_down, EBUSY, "the server has too much to do"};
    case 500:
    case 502:
    case 504: return {"", again, EIO, "the server has failed"};
    case 507: return {"", refused, ENOSPC, "the server's disks are full"};
    default: break;
  }
  return {"", refused, EIO, "the server does not take the request"};
}

meaning of_code(operation what, const reply& answer, std::string_view code,
                std::string_view region) {
  const auto known = std::ranges::find(meanings, code, &meaning::code);
  meaning found = known != meanings.end() ? *known : of_status(what, answer.status);
  // A 503 with another code is still one, and so is a redirection.
  if (answer.status == 503 || answer.status == 429) found.what = verdict::slow_down;
  if (what == operation::get && answer.status == 412) found = precondition_failed(what);
  if (what == operation::probe && code == "InvalidObjectState") found.what = verdict::good;
  if (what == operation::probe && code == "AccessDenied") found.what = verdict::forbidden;
  if (code == "AuthorizationHeaderMalformed" && !region.empty())
    found = {code, verdict::elsewhere, EREMOTE, "the bucket is in another region"};
  if (code == "InvalidRequest" && answer.body.find("Content-MD5") != std::string::npos)
    found = {code, verdict::wants_md5, EINVAL, "the bucket takes nothing without a checksum"};
  return found;
}

/// The host of a URL, if it looks like one.
std::string host_of(std::string_view url) {
  const auto from = url.find("://");
  if (from == std::string_view::npos) return {};
  url.remove_prefix(from + 3);
  url = url.substr(0, url.find('/'));
  const auto colon = std::min(url.rfind(':'), url.size());
  const std::string port = word(url.substr(std::min(colon + 1, url.size())));
  return word(url.substr(0, colon)) + (port.empty() ? "" : ":" + port);
}

/// What to do about a bucket that is elsewhere. Nothing is sent to where an answer points.
std::string where(const reply& answer, const std::string& region) {
  if (!region.empty()) return ", " + region + ": give `region=" + region + "`";
  const std::string host = host_of(answer.header("location"));
  if (!host.empty())
    return ", " + host + ", and redirections are not followed: give its `endpoint`";
  return ", and redirections are not followed: give the right `endpoint`";
}

/// Whether an answer says that it has the bytes that were asked for.
bool is_of(const range& wanted, const reply& answer) {
  if (answer.status == 200) return wanted.begin == 0 && wanted.length == wanted.whole;
  const auto last = wanted.begin + wanted.length - 1;
  return answer.status == 206 && answer.header("content-range") ==
                                     "bytes " + std::to_string(wanted.begin) + "-" +
                                         std::to_string(last) + "/" + std::to_string(wanted.whole);
}

duration retry_after(const reply& answer) {
  constexpr unsigned most = 60;  // seconds
  const auto text = answer.header("retry-after");
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number = error == std::errc() && end == text.data() + text.size();
  return std::chrono::seconds(number ? std::min(value, most) : 0);
}

}  // namespace

std::string_view reply::header(std::string_view name) const noexcept {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return {};
}

std::string element(std::string_view xml, std::string_view name) {
  const std::string begin = "<" + std::string(name) + ">";
  const auto from = xml.find(begin);
  if (from == std::string_view::npos) return {};
  const auto to = xml.find("</" + std::string(name) + ">", from);
  if (to == std::string_view::npos) return {};
  return with_entities_resolved(xml.substr(from + begin.size(), to - from - begin.size()));
}

reply_end end_of_completion(std::string_view body) {
  if (body.find("<Error>") != std::string_view::npos) return reply_end::error;
  while (!body.empty() && static_cast<unsigned char>(body.back()) <= ' ') body.remove_suffix(1);
  // The root is CompleteMultipartUploadResult, with some servers CompleteMultipartUploadResponse.
  const auto end = body.rfind("</");
  if (end == std::string_view::npos || !body.ends_with('>')) return reply_end::cut;
  const auto name = body.substr(end + 2, body.size() - end - 3);
  return name.starts_with(root) ? reply_end::whole : reply_end::cut;
}

judgement judge(operation what, const reply& answer) {
  const bool completes = what == operation::complete && answer.status == 200;
  const auto seen = completes ? end_of_completion(answer.body) : reply_end::whole;
  judgement out;
  out.code = word(element(answer.body, "Code"));
  out.region = word(answer.header("x-amz-bucket-region"));
  if (out.region.empty()) out.region = word(element(answer.body, "Region"));
  out.retry_after = retry_after(answer);

  const bool failed = answer.status >= 300 || seen == reply_end::error;
  meaning found =
      failed ? of_code(what, answer, out.code, out.region) : of_status(what, answer.status);
  if (seen != reply_end::whole && found.what == verdict::good)
    found = {"", verdict::again, EIO, "the server's answer breaks off"};
  if (answer.status >= 300 && answer.status < 400 && found.what != verdict::elsewhere)
    found = of_status(what, answer.status);
  out.what = found.what;
  out.error = found.error;
  if (out.what == verdict::good) return out;

  out.text = found.sentence;
  if (out.what == verdict::elsewhere) out.text += where(answer, out.region);
  out.text += out.code.empty() ? " (" : " (" + out.code + ", ";
  out.text += "HTTP " + std::to_string(answer.status);
  const std::string request = word(answer.header("x-amz-request-id"));
  if (!request.empty()) out.text += ", request " + request;
  out.text += ")";
  return out;
}

judgement judge(const range& wanted, const reply& answer) {
  auto out = judge(operation::get, answer);
  if (out.what != verdict::good) return out;
  const bool right = is_of(wanted, answer);
  // Not every server obeys If-Match.
  const bool replaced = right && answer.header("etag") != wanted.etag;
  if (right && !replaced && answer.body.size() == wanted.length) return out;
  out.what = right && !replaced ? verdict::corrupt : refused;
  out.error = replaced ? ESTALE : EPROTO;
  out.text = replaced ? std::string(another_object)
             : right  ? "the server has sent fewer bytes than it said"
                      : "the server has not sent the range that was asked for (HTTP " +
                           std::to_string(answer.status) + ")";
  return out;
}

}  // namespace nbdstream::s3
